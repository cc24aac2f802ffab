// Pooling over windows of pixels, with the maps that are each other's adjoints.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling {

struct Pool2dOptions {
  Size2 kernel = 2;        ///< pixels
  Size2 stride = 0;        ///< pixels; 0: the kernel's size
  Size2 padding = 0;       ///< pixels on each side, at most half the kernel
  bool ceil_mode = false;  ///< round the output size up, as Caffe does: the last window may hang over the edge
  bool count_include_pad =
      true;  ///< average pooling: padded zeros count in the divisor (pixels beyond padding never do)
};

/// [N,H,W,C] -> [N,H',W',C] with H' = (H + 2 pad - K) / s + 1, rounded down, or up in ceil_mode. In
/// ceil_mode, a last window that would start beyond the input and its left padding is dropped, as
/// in Caffe and PyTorch.
///
/// Throws ShapeError with `op` if x has another rank, the output would be empty, or kernel, stride
/// or padding is out of range. All functions below throw the same.
Shape pool2d_shape(const char* op, const Shape& x, const Pool2dOptions& options);

struct MaxPool2dResult {
  Tensor values;  ///< [N,H',W',C], dtype of x
  Tensor argmax;  ///< [N,H',W',C], u8: p * KW + q of the largest pixel in its window
};
/// The largest pixel of each window: the first (row-major) of equal ones. NaN counts as largest,
/// and padding never wins. Throws ShapeError if the kernel has more than 256 pixels, as the two
/// functions below. These also throw it if argmax or grad has another shape or dtype.
MaxPool2dResult max_pool2d(const Tensor& x, const Pool2dOptions& options);
/// The pixels of x that `argmax` names; 0 if it names none of its window. [N,H,W,C] -> [N,H',W',C].
/// Linear in x, and the adjoint of max_unpool2d.
Tensor max_pool2d_at(const Tensor& x, const Tensor& argmax, const Pool2dOptions& options);
/// Adds each grad [N,H',W',C] at the pixel that `argmax` names: -> x_shape [N,H,W,C]. Max-pooling's
/// gradient.
Tensor max_unpool2d(const Tensor& grad, const Tensor& argmax, const Shape& x_shape, const Pool2dOptions& options);

/// y[n,i,j,c] = sum of the window's pixels on the image / divisor: [N,H,W,C] -> [N,H',W',C]. The
/// divisor is the number of these pixels. With count_include_pad it also counts the window's pixels
/// in the padding.
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options);
/// Adjoint of avg_pool2d: grad [N,H',W',C] -> x_shape [N,H,W,C].
Tensor avg_pool2d_grad(const Tensor& grad, const Shape& x_shape, const Pool2dOptions& options);

}  // namespace kindling
