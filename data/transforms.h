// Image transforms: functions from (image, random stream) to image, to be chained.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling::data {

/// Image [H,W,C] (u8 0..255 or f32) in, image out. All randomness comes from `rng`, whose stream belongs to this sample and epoch.
using Transform = std::function<Tensor(const Tensor& image, Rng& rng)>;

/// Each in turn; the i-th draws from rng.fork(i), so that taking one away does not change what the others draw.
Transform compose(std::vector<Transform> transforms);

/// To exactly height x width, bilinear with half-pixel centres; when shrinking, averaged over the source area (antialias).
Transform resize(Size2 size);
/// Shorter side to `pixels`, keeping the ratio of the sides.
Transform resize_shorter(int64_t pixels);
/// The middle height x width; offset = (H - h) / 2 rounded down. Throws ShapeError if the image is smaller.
Transform center_crop(Size2 size);
/// A random part of the image with area share in `scale` and width/height ratio in `ratio` (log-uniform), resized to `size`: Inception's crop,
/// as torchvision's RandomResizedCrop (ten tries, then the centre).
struct RandomResizedCropOptions {
  std::array<double, 2> scale{0.08, 1.0};
  std::array<double, 2> ratio{3.0 / 4.0, 4.0 / 3.0};
};
Transform random_resized_crop(Size2 size, RandomResizedCropOptions options = {});
/// Adds `padding` pixels of zeros on all sides and cuts a random piece of the image's own size out.
Transform pad_and_crop(int64_t padding);
/// Mirrors left-right with probability `p`.
Transform random_flip(double p = 0.5);
/// Brightness, contrast and saturation each scaled by a factor uniform in [1 - x, 1 + x], in that order, clipped to the range of a u8 image.
struct ColorJitterOptions {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
};
Transform color_jitter(ColorJitterOptions options = {});
/// (x - mean) / std per channel, to f32. In the units of the pixels: for u8 images mean and std are in 0..255.
Transform normalize(std::vector<float> mean, std::vector<float> std);
/// u8 0..255 to f32 0..1.
Transform to_unit_range();

}  // namespace kindling::data
