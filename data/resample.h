// Resampling and cropping of images, shared by the transforms. Not part of the public interface.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling::data {

/// See resize() in transforms.h. `image` [H,W,C] is contiguous, u8 or f32, and not empty; `size` is
/// at least 1x1.
Tensor resample(const Tensor& image, Size2 size);

/// The part of `image` [H,W,C] (contiguous) whose first pixel is (y, x). Pixels outside of the
/// image are zero.
Tensor crop(const Tensor& image, int64_t y, int64_t x, Size2 size);

}  // namespace kindling::data
