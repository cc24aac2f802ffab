#include <kindling/data/transforms.h>

#include <algorithm>
#include <cmath>

#include <kindling/data/resample.h>

namespace kindling::data {
namespace {

// `image`, contiguous. Throws ShapeError unless it is one.
Tensor checked_image(const char* op, const Tensor& image) {
  check(image.defined() && image.rank() == 3 && image.numel() > 0, op, "needs an image [H, W, C], got shape ",
        image.shape());
  check(image.dtype() == DType::u8 || image.dtype() == DType::f32, op, "needs an image of u8 or f32, got ",
        image.dtype());
  return image.contiguous();
}

void check_size(const char* op, Size2 size) {
  check(size.h >= 1 && size.w >= 1, op, "needs a size of at least one pixel, got ", size.h, " x ", size.w);
}

template <class T>
Tensor flipped(const Tensor& image) {
  const int64_t width = image.size(1), channels = image.size(2);
  Tensor result = Tensor::empty(image.shape(), image.dtype());
  const T* in = image.data<T>();
  T* out = result.data<T>();
  for (int64_t y = 0; y < image.size(0); ++y, in += width * channels)
    for (int64_t x = width - 1; x >= 0; --x, out += channels) std::copy_n(in + x * channels, channels, out);
  return result;
}

struct Box {
  int64_t y, x;
  Size2 size;
};

// Inception's crop as torchvision's RandomResizedCrop.get_params draws it.
Box random_box(Size2 image, const RandomResizedCropOptions& options, Rng& rng) {
  const auto area = static_cast<double>(image.h * image.w);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * rng.next_uniform(options.scale[0], options.scale[1]);
    const double ratio = std::exp(rng.next_uniform(std::log(options.ratio[0]), std::log(options.ratio[1])));
    const Size2 size{std::llround(std::sqrt(target / ratio)), std::llround(std::sqrt(target * ratio))};
    if (size.h < 1 || size.w < 1 || size.h > image.h || size.w > image.w) continue;
    const int64_t y = rng.next_below(image.h - size.h + 1);
    return {y, rng.next_below(image.w - size.w + 1), size};
  }
  // The largest middle part with an allowed ratio.
  Size2 size = image;
  const double ratio = static_cast<double>(image.w) / static_cast<double>(image.h);
  if (ratio < options.ratio[0]) size.h = std::llround(static_cast<double>(image.w) / options.ratio[0]);
  if (ratio > options.ratio[1]) size.w = std::llround(static_cast<double>(image.h) * options.ratio[1]);
  size = {std::clamp<int64_t>(size.h, 1, image.h), std::clamp<int64_t>(size.w, 1, image.w)};
  return {(image.h - size.h) / 2, (image.w - size.w) / 2, size};
}

// Half of what is cut off, rounded to nearest, halves to even: torchvision's, and Python's round().
int64_t half_to_even(int64_t all) { return (all + all / 2 % 2) / 2; }

// How much of `side` to keep beside `other`: four times as much, with as much cut off on either side.
int64_t kept_of(int64_t side, int64_t other) {
  const int64_t most = 4 * other;
  return side > most ? most + (side - most) % 2 : side;
}

// Colour jitter's arithmetic, on pixels of `channels` (3, or 1) floats in 0..255.
class Jitter {
 public:
  explicit Jitter(const Tensor& image) : channels_(image.size(2)) {
    const auto* first = image.data<uint8_t>();
    pixels_.assign(first, first + image.numel());
  }

  void brightness(float factor) {
    for (float& value : pixels_) value = clip(value * factor);
  }
  void contrast(float factor) {
    double sum = 0;
    for (size_t i = 0; i < pixels_.size(); i += step()) sum += grey(i);
    const auto mean = static_cast<float>(sum / static_cast<double>(pixels_.size() / step()));
    for (float& value : pixels_) value = clip(factor * value + (1 - factor) * mean);
  }
  void saturation(float factor) {
    for (size_t i = 0; i < pixels_.size(); i += step()) {
      const float base = (1 - factor) * grey(i);
      for (size_t c = 0; c < step(); ++c) pixels_[i + c] = clip(factor * pixels_[i + c] + base);
    }
  }
  void write_to(Tensor& image) const {
    std::transform(pixels_.begin(), pixels_.end(), image.data<uint8_t>(),
                   [](float value) { return static_cast<uint8_t>(value + 0.5f); });
  }

 private:
  size_t step() const { return static_cast<size_t>(channels_); }
  float grey(size_t i) const {
    return channels_ == 1 ? pixels_[i] : 0.299f * pixels_[i] + 0.587f * pixels_[i + 1] + 0.114f * pixels_[i + 2];
  }
  static float clip(float value) { return std::clamp(value, 0.0f, 255.0f); }

  int64_t channels_;
  std::vector<float> pixels_;
};

class Transformed : public Wrapped {
 public:
  Transformed(DatasetPtr base, Transform transform) : Wrapped(std::move(base)), transform_(std::move(transform)) {}
  Sample get(int64_t index) const override {
    Sample sample = Wrapped::get(index);
    Rng rng = Rng().fork(static_cast<uint64_t>(index));
    return {transform_(sample.input, rng), sample.target};
  }

 private:
  Transform transform_;
};

}  // namespace

Transform compose(std::vector<Transform> transforms) {
  return [transforms = std::move(transforms)](const Tensor& image, Rng& rng) {
    Tensor result = image;
    for (size_t i = 0; i < transforms.size(); ++i) {
      Rng own = rng.fork(i);
      result = transforms[i](result, own);
    }
    return result;
  };
}

Transform resize(Size2 size) {
  check_size("resize", size);
  return [size](const Tensor& image, Rng&) {
    const Tensor x = checked_image("resize", image);
    return Size2{x.size(0), x.size(1)} == size ? x : resample(x, size);
  };
}

Transform resize_shorter(int64_t pixels) {
  check_size("resize_shorter", pixels);
  return [pixels](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("resize_shorter", image);
    const int64_t shorter = std::min(x.size(0), x.size(1));
    return resize({x.size(0) * pixels / shorter, x.size(1) * pixels / shorter})(x, rng);
  };
}

Transform center_crop(Size2 size) {
  check_size("center_crop", size);
  return [size](const Tensor& image, Rng&) {
    const Tensor x = checked_image("center_crop", image);
    if (Size2(x.size(0), x.size(1)) == size) return x;
    check(x.size(0) >= size.h && x.size(1) >= size.w, "center_crop", "cannot cut ", size.h, " x ", size.w,
          " out of an image of shape ", x.shape());
    return crop(x, half_to_even(x.size(0) - size.h), half_to_even(x.size(1) - size.w), size);
  };
}

Transform resize_and_crop(int64_t shorter, Size2 size) {
  const Transform whole = compose({resize_shorter(shorter), center_crop(size)});
  return [whole](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("resize_and_crop", image);
    const Size2 all{x.size(0), x.size(1)}, middle{kept_of(all.h, all.w), kept_of(all.w, all.h)};
    return whole(middle == all ? x : center_crop(middle)(x, rng), rng);
  };
}

Transform random_resized_crop(Size2 size, RandomResizedCropOptions options) {
  check_size("random_resized_crop", size);
  const auto& [scale, ratio] = options;
  check(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1, "random_resized_crop",
        "needs 0 < scale[0] <= scale[1] <= 1, got ", scale[0], " and ", scale[1]);
  check(ratio[0] > 0 && ratio[0] <= ratio[1], "random_resized_crop", "needs 0 < ratio[0] <= ratio[1], got ", ratio[0],
        " and ", ratio[1]);
  return [size, options](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("random_resized_crop", image);
    const Box box = random_box({x.size(0), x.size(1)}, options, rng);
    return resample(crop(x, box.y, box.x, box.size), size);
  };
}

Transform pad_and_crop(int64_t padding) {
  check(padding >= 0, "pad_and_crop", "needs a padding of at least 0, got ", padding);
  return [padding](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("pad_and_crop", image);
    const int64_t down = rng.next_below(2 * padding + 1), right = rng.next_below(2 * padding + 1);
    return crop(x, down - padding, right - padding, {x.size(0), x.size(1)});
  };
}

Transform cutout(int64_t size) {
  check(size >= 1, "cutout", "needs a size of at least 1, got ", size);
  return [size](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("cutout", image);
    // Of a square of even size the centre is the first pixel behind the middle.
    const int64_t top = rng.next_below(x.size(0)) - size / 2, left = rng.next_below(x.size(1)) - size / 2;
    Tensor result = x.clone();
    result.slice(0, std::max<int64_t>(top, 0), std::min(top + size, x.size(0)))
        .slice(1, std::max<int64_t>(left, 0), std::min(left + size, x.size(1)))
        .fill_(0);
    return result;
  };
}

Transform random_flip(double p) {
  check(p >= 0 && p <= 1, "random_flip", "needs a probability in [0, 1], got ", p);
  return [p](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("random_flip", image);
    if (rng.next_uniform() >= p) return x;
    return x.dtype() == DType::u8 ? flipped<uint8_t>(x) : flipped<float>(x);
  };
}

Transform color_jitter(ColorJitterOptions options) {
  for (const double strength : {options.brightness, options.contrast, options.saturation})
    check(strength >= 0 && strength <= 1, "color_jitter", "needs strengths in [0, 1], got ", strength);
  return [options](const Tensor& image, Rng& rng) {
    const Tensor x = checked_image("color_jitter", image);
    check(x.dtype() == DType::u8 && (x.size(2) == 3 || x.size(2) == 1), "color_jitter",
          "needs an image of u8 with 3 channels or 1, got ", x.dtype(), " ", x.shape());
    const auto factor = [&rng](double strength) {
      return static_cast<float>(rng.next_uniform(1 - strength, 1 + strength));
    };
    Jitter jitter(x);
    jitter.brightness(factor(options.brightness));
    jitter.contrast(factor(options.contrast));
    jitter.saturation(factor(options.saturation));
    Tensor result = Tensor::empty(x.shape(), DType::u8);
    jitter.write_to(result);
    return result;
  };
}

Transform normalize(std::vector<float> mean, std::vector<float> std) {
  check(!mean.empty() && mean.size() == std.size(), "normalize", "needs as many means as stds, got ", mean.size(),
        " and ", std.size());
  for (const float value : std) check(value > 0, "normalize", "needs stds above 0, got ", value);

  // A u8 pixel has 256 values: table[value * channels + channel].
  const size_t channels = mean.size();
  std::vector<float> table(256 * channels);
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = (static_cast<float>(i / channels) - mean[i % channels]) / std[i % channels];

  return [mean = std::move(mean), std = std::move(std), table = std::move(table)](const Tensor& image, Rng&) {
    const Tensor x = checked_image("normalize", image);
    const size_t channels = mean.size();
    check(x.size(2) == static_cast<int64_t>(channels), "normalize", "has means of ", channels,
          " channels, got an image of shape ", x.shape());
    Tensor result = Tensor::empty(x.shape());
    float* out = result.data<float>();
    const auto pixels = static_cast<size_t>(x.numel()) / channels;
    if (x.dtype() == DType::u8) {
      const auto* in = x.data<uint8_t>();
      for (size_t pixel = 0; pixel < pixels; ++pixel, in += channels, out += channels)
        for (size_t c = 0; c < channels; ++c) out[c] = table[in[c] * channels + c];
    } else {
      const auto* in = x.data<float>();
      for (size_t pixel = 0; pixel < pixels; ++pixel, in += channels, out += channels)
        for (size_t c = 0; c < channels; ++c) out[c] = (in[c] - mean[c]) / std[c];
    }
    return result;
  };
}

Transform reverse_channels() {
  return [](const Tensor& image, Rng&) {
    const Tensor x = checked_image("reverse_channels", image);
    check(x.size(2) == 3, "reverse_channels", "needs 3 channels, got ", x.shape());
    Tensor result = Tensor::empty(x.shape(), x.dtype());
    for (int64_t c = 0; c < 3; ++c) result.slice(2, c, c + 1).copy_(x.slice(2, 2 - c, 3 - c));
    return result;
  };
}

Transform to_unit_range() {
  return [](const Tensor& image, Rng&) {
    const Tensor x = checked_image("to_unit_range", image);
    check(x.dtype() == DType::u8, "to_unit_range", "needs an image of u8, got ", x.dtype());
    Tensor result = Tensor::empty(x.shape());
    std::transform(x.data<uint8_t>(), x.data<uint8_t>() + x.numel(), result.data<float>(),
                   [](uint8_t value) { return static_cast<float>(value) / 255.0f; });
    return result;
  };
}

DatasetPtr transformed(DatasetPtr base, Transform transform) {
  return std::make_shared<Transformed>(std::move(base), std::move(transform));
}

}  // namespace kindling::data
