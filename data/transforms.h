// Image transforms: functions from (image, random stream) to image, to be chained.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/tensor/tensor.h>

namespace kindling::data {

/// A function from an image [H,W,C] (u8 0..255 or f32) to an image. It must not write to `image`,
/// which may be a cached sample. All randomness comes from `rng`, whose stream belongs to this
/// sample and epoch. The transforms below throw ShapeError for other ranks and dtypes. They keep
/// the dtype, and round u8 to nearest, unless they say otherwise.
using Transform = std::function<Tensor(const Tensor& image, Rng& rng)>;

/// Applies the transforms in turn. The i-th draws from rng.fork(i), so a removed transform does not
/// change what those before it draw.
Transform compose(std::vector<Transform> transforms);

/// Resizes to exactly height x width: bilinear, with half-pixel centres; when shrinking, averaged
/// over the source area (antialias). Along each axis, with s = pixels in / pixels out and t =
/// max(s, 1), the sums going over j inside the image:
///   y[i] = sum_j w(i,j) x[j] / sum_j w(i,j),  w(i,j) = max(0, 1 - |(i + 0.5) s - (j + 0.5)| / t)
/// Pixels of u8 are Pillow's, bit for bit: first each row is resized, then each column, both with
/// weights of 22 bits and rounded. (Of tall images Pillow may resize the columns first.) An image
/// that has this size already is returned as it is.
Transform resize(Size2 size);
/// Resizes the shorter side to `pixels` and keeps the ratio of the sides. The longer side is
/// rounded down, as in torchvision.
Transform resize_shorter(int64_t pixels);
/// Cuts out the middle height x width. The offset is (H - h) / 2, rounded to an even number where
/// it ends in a half, as in torchvision. Throws ShapeError if the image is smaller. An image that
/// has this size already is returned as it is.
Transform center_crop(Size2 size);
/// resize_shorter(`shorter`), then center_crop(`size`). If one side is more than four times the
/// other, only the middle is resized: all of an image of 60000 x 1 pixels would take gigabytes.
Transform resize_and_crop(int64_t shorter, Size2 size);
/// A random part of the image, resized to `size`. Its share of the area is in `scale`, its ratio
/// width/height in `ratio` (log-uniform). This is Inception's crop, and torchvision's
/// RandomResizedCrop (ten tries, then the centre).
struct RandomResizedCropOptions {
  std::array<double, 2> scale{0.08, 1.0};
  std::array<double, 2> ratio{3.0 / 4.0, 4.0 / 3.0};
};
Transform random_resized_crop(Size2 size, RandomResizedCropOptions options = {});
/// Adds `padding` pixels of zeros on all sides, then cuts out a random piece of the original size.
/// Zeros are the mean colour after `normalize`, and black before it.
Transform pad_and_crop(int64_t padding);
/// Cutout (DeVries and Taylor, arXiv:1708.04552): a square of zeros, `size` pixels wide, whose
/// centre is a random pixel of the image. The part outside of the image is cut off. Zeros are the
/// mean colour after `normalize`, and black before it.
Transform cutout(int64_t size);
/// Mirrors left-right with probability `p`.
Transform random_flip(double p = 0.5);
/// Scales brightness, contrast and saturation, in that order, each by a factor f. Each f is uniform
/// in [1 - x, 1 + x]. Pixels are clipped to 0..255 after each:
///   x f;  x f + (1 - f) mean(grey);  x f + (1 - f) grey,   grey = 0.299 R + 0.587 G + 0.114 B
/// For u8 images of 3 channels, or of 1 (which is its own grey). Throws ShapeError unless every
/// option is in [0, 1].
struct ColorJitterOptions {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
};
Transform color_jitter(ColorJitterOptions options = {});
/// (x - mean) / std per channel, in f32. mean and std have the units of the pixels: 0..255 for u8
/// images. Throws ShapeError if their number is not that of the channels, or a std is not above 0.
Transform normalize(std::vector<float> mean, std::vector<float> std);
/// Red, green, blue to blue, green, red. Throws ShapeError for other than 3 channels.
Transform reverse_channels();
/// u8 0..255 to f32 0..1.
Transform to_unit_range();

/// `base` with every input transformed when it is read, before a loader caches it. Use it to shrink
/// large photographs once. A random transform draws the same every time: sample i from stream i.
DatasetPtr transformed(DatasetPtr base, Transform transform);

}  // namespace kindling::data
