#include <kindling/data/resample.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace kindling::data {
namespace {

// For each output position of one axis: the first input position with a weight, and the weights, which add up to 1.
struct Taps {
  std::vector<int64_t> first;
  std::vector<std::vector<float>> weights;
};

Taps triangle_taps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double radius = std::max(scale, 1.0);
  Taps taps;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    const int64_t begin = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - radius)) + 1);
    const int64_t end = std::min<int64_t>(in, static_cast<int64_t>(std::ceil(centre + radius)));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      weights.push_back(1.0 - std::abs(static_cast<double>(j) - centre) / radius);
      sum += weights.back();
    }
    taps.first.push_back(begin);
    std::vector<float>& normalized = taps.weights.emplace_back();
    for (const double weight : weights) normalized.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

// The sum of whole rows of the image, times their weights: one contiguous loop, whatever the number of channels.
template <class T>
void blend_rows(const T* rows, int64_t row_size, const std::vector<float>& weights, float* out) {
  std::fill(out, out + row_size, 0.0f);
  for (const float weight : weights) {
    for (int64_t i = 0; i < row_size; ++i) out[i] += weight * static_cast<float>(rows[i]);
    rows += row_size;
  }
}

template <class T>
T to_pixel(float value) {
  if constexpr (std::is_same_v<T, uint8_t>) return static_cast<uint8_t>(value + 0.5f);
  return value;
}

// kChannels = 0: as many as `channels` says.
template <int kChannels, class T>
void blend_columns(const float* row, int64_t channels, const Taps& taps, T* out) {
  if constexpr (kChannels != 0) channels = kChannels;
  for (size_t x = 0; x < taps.first.size(); ++x, out += channels) {
    const float* source = row + taps.first[x] * channels;
    for (int64_t c = 0; c < channels; ++c) {
      float sum = 0;
      for (size_t k = 0; k < taps.weights[x].size(); ++k)
        sum += taps.weights[x][k] * source[static_cast<int64_t>(k) * channels + c];
      out[c] = to_pixel<T>(sum);
    }
  }
}

// Down first, since that reads whole rows and leaves fewer of them when shrinking; a single row is in between.
template <class T>
void resample_as(const Tensor& image, Tensor& result) {
  const int64_t width = image.size(1), channels = image.size(2), row_size = width * channels;
  const Taps down = triangle_taps(image.size(0), result.size(0)), across = triangle_taps(width, result.size(1));
  std::vector<float> row(static_cast<size_t>(row_size));
  for (int64_t y = 0; y < result.size(0); ++y) {
    const auto i = static_cast<size_t>(y);
    blend_rows(image.data<T>() + down.first[i] * row_size, row_size, down.weights[i], row.data());
    T* out = result.data<T>() + y * result.size(1) * channels;
    if (channels == 3)
      blend_columns<3>(row.data(), channels, across, out);
    else
      blend_columns<0>(row.data(), channels, across, out);
  }
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
