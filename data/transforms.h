// Image transforms: functions from (image, random stream) to image, to be chained.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/tensor/tensor.h>

namespace kindling::data {

/// Image [H,W,C] (u8 0..255 or f32) in, image out. It must not write to `image`, which may be a
/// cached sample. All randomness comes from `rng`, whose stream belongs to this sample and epoch.
/// The transforms below throw ShapeError for other ranks and dtypes and keep the dtype, u8 rounded
/// to nearest, unless they say otherwise.
using Transform = std::function<Tensor(const Tensor& image, Rng& rng)>;

/// Each in turn; the i-th draws from rng.fork(i), so that taking one away does not change what
/// those before it draw.
Transform compose(std::vector<Transform> transforms);

/// To exactly height x width, bilinear with half-pixel centres; when shrinking, averaged over the
/// source area (antialias). Along each axis, with s = pixels in / pixels out and t = max(s, 1):
///   y[i] = sum_j w(i,j) x[j] / sum_j w(i,j),  w(i,j) = max(0, 1 - |(i + 0.5) s - (j + 0.5)| / t),  j inside the image.
/// An image of that size already is returned as it is.
Transform resize(Size2 size);
/// Shorter side to `pixels`, keeping the ratio of the sides (the longer one rounded down, as
/// torchvision).
Transform resize_shorter(int64_t pixels);
/// The middle height x width; offset = (H - h) / 2 rounded down. An image of that size already is
/// returned as it is. Throws ShapeError if the image is smaller.
Transform center_crop(Size2 size);
/// resize_shorter(`shorter`), then center_crop(`size`). Where one side is more than four times the
/// other, the middle alone is resized: the whole of an image of 60000 x 1 pixels would take
/// gigabytes.
Transform resize_and_crop(int64_t shorter, Size2 size);
/// A random part of the image with area share in `scale` and width/height ratio in `ratio`
/// (log-uniform), resized to `size`: Inception's crop, as torchvision's RandomResizedCrop (ten
/// tries, then the centre).
struct RandomResizedCropOptions {
  std::array<double, 2> scale{0.08, 1.0};
  std::array<double, 2> ratio{3.0 / 4.0, 4.0 / 3.0};
};
Transform random_resized_crop(Size2 size, RandomResizedCropOptions options = {});
/// Adds `padding` pixels of zeros on all sides and cuts a random piece of the image's own size out.
/// After `normalize`
/// a zero is the mean colour, before it black.
Transform pad_and_crop(int64_t padding);
/// A square of zeros, `size` pixels wide, whose centre is any pixel of the image (the part outside
/// is cut off): Cutout, DeVries and Taylor, arXiv:1708.04552. After `normalize` a zero is the mean
/// colour, before it black.
Transform cutout(int64_t size);
/// Mirrors left-right with probability `p`.
Transform random_flip(double p = 0.5);
/// Brightness, contrast and saturation each scaled by a factor uniform in [1 - x, 1 + x], in that
/// order, clipped to 0..255 after each: x f; f x + (1 - f) mean(grey); f x + (1 - f) grey, with
/// grey = 0.299 R + 0.587 G + 0.114 B. For u8 images of 3 channels, or of 1 (which is its own
/// grey). Throws ShapeError unless every option is in [0, 1].
struct ColorJitterOptions {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
};
Transform color_jitter(ColorJitterOptions options = {});
/// (x - mean) / std per channel, to f32. In the units of the pixels: for u8 images mean and std are
/// in 0..255. Throws ShapeError if their number is not that of the channels, or a std is not above
/// 0.
Transform normalize(std::vector<float> mean, std::vector<float> std);
/// u8 0..255 to f32 0..1.
Transform to_unit_range();

/// `base` with every input transformed as it is read, before a loader caches it: to cut large
/// photographs down once. Random transforms draw the same every time: sample i from stream i.
DatasetPtr transformed(DatasetPtr base, Transform transform);

}  // namespace kindling::data
