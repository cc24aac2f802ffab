#include <kindling/data/resample.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace kindling::data {
namespace {

// Weights and sums of pixels of type T. Those of u8 are integers in units of 2^-22, so that 255 times 1 fits. This,
// the order of the two passes and the rounding after each are Pillow's: references are made with it, and equal pixels
// give equal results.
template <class T>
struct Arithmetic {
  using Number = float;
  static constexpr float kStart = 0;
  static Number weight(double w) { return static_cast<float>(w); }
  static T pixel(Number sum) { return sum; }
};
template <>
struct Arithmetic<uint8_t> {
  using Number = int32_t;
  static constexpr int kBits = 22;
  static constexpr int32_t kStart = 1 << (kBits - 1);  // rounds to nearest
  static Number weight(double w) { return static_cast<int32_t>(0.5 + w * (1 << kBits)); }
  static uint8_t pixel(Number sum) { return static_cast<uint8_t>(std::min(sum >> kBits, 255)); }
};

// Which pixels of a line of the input make one of the output.
template <class Number>
struct Window {
  int64_t begin, end;
  std::vector<Number> weights;  // of the pixels from begin to end; they add up to 1
};

template <class T>
auto windows(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double radius = std::max(scale, 1.0), slope = 1 / radius;
  std::vector<Window<typename Arithmetic<T>::Number>> result;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    auto& [begin, end, weights] = result.emplace_back();
    begin = std::max<int64_t>(0, static_cast<int64_t>(centre - radius + 0.5));
    end = std::min(in, static_cast<int64_t>(centre + radius + 0.5));
    std::vector<double> triangle;
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      triangle.push_back(std::max(0.0, 1 - std::abs((static_cast<double>(j) - centre + 0.5) * slope)));
      sum += triangle.back();
    }
    for (const double weight : triangle) weights.push_back(Arithmetic<T>::weight(weight / sum));
  }
  return result;
}

// Of kChannels at once, and of others one after the other.
template <int kChannels, class T, class Windows>
void blend_columns(const T* row, int64_t channels, const Windows& across, T* out) {
  using A = Arithmetic<T>;
  for (const auto& [begin, end, weights] : across)
    for (int64_t first = 0; first < channels; first += kChannels) {
      typename A::Number sums[kChannels];
      std::fill_n(sums, kChannels, A::kStart);
      const T* in = row + begin * channels + first;
      for (const auto weight : weights) {
        for (int c = 0; c < kChannels; ++c) sums[c] += weight * in[c];
        in += channels;
      }
      out = std::transform(sums, sums + kChannels, out, A::pixel);
    }
}

// Across, then down. A row of the input is added at once to all rows of the output that it is part of.
template <class T>
void resample_as(const Tensor& image, Tensor& result) {
  using A = Arithmetic<T>;
  const int64_t width = image.size(1), channels = image.size(2), height = result.size(0);
  const int64_t row_size = result.size(1) * channels;
  const auto down = windows<T>(image.size(0), height), across = windows<T>(width, result.size(1));
  std::vector<T> row(static_cast<size_t>(row_size));
  std::vector<typename A::Number> sums(static_cast<size_t>(result.numel()), A::kStart);
  int64_t first = 0;  // row of the output that is not whole
  for (int64_t y = 0; y < image.size(0); ++y) {
    const T* in = image.data<T>() + y * width * channels;
    if (channels == 3)
      blend_columns<3>(in, channels, across, row.data());
    else
      blend_columns<1>(in, channels, across, row.data());
    for (int64_t i = first; i < height && down[i].begin <= y; ++i) {
      const auto weight = down[i].weights[y - down[i].begin];
      auto* sum = sums.data() + i * row_size;
      for (int64_t k = 0; k < row_size; ++k) sum[k] += weight * row[k];
      if (y + 1 == down[i].end) ++first;
    }
  }
  std::transform(sums.begin(), sums.end(), result.data<T>(), A::pixel);
}

}  // namespace

Tensor resample(const Tensor& image, Size2 size) {
  Tensor result = Tensor::empty({size.h, size.w, image.size(2)}, image.dtype());
  if (image.dtype() == DType::u8)
    resample_as<uint8_t>(image, result);
  else
    resample_as<float>(image, result);
  return result;
}

Tensor crop(const Tensor& image, int64_t y, int64_t x, Size2 size) {
  const Size2 in{image.size(0), image.size(1)};
  const bool inside = y >= 0 && x >= 0 && y + size.h <= in.h && x + size.w <= in.w;
  const Shape shape{size.h, size.w, image.size(2)};
  Tensor result = inside ? Tensor::empty(shape, image.dtype()) : Tensor::zeros(shape, image.dtype());

  const int64_t pixel = image.size(2) * size_of(image.dtype());  // bytes
  const std::byte* source = image.storage()->data() + image.offset() * size_of(image.dtype());
  std::byte* target = result.storage()->data();
  const int64_t begin = std::clamp<int64_t>(-x, 0, size.w), end = std::clamp<int64_t>(in.w - x, begin, size.w);
  if (begin == end) return result;
  for (int64_t row = std::max<int64_t>(0, -y); row < std::min(size.h, in.h - y); ++row)
    std::memcpy(target + (row * size.w + begin) * pixel, source + ((y + row) * in.w + x + begin) * pixel,
                static_cast<size_t>((end - begin) * pixel));
  return result;
}

}  // namespace kindling::data
