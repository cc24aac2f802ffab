// Differentiable pooling over windows of pixels.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/pool.h>

namespace kindling {

/// [N,H,W,C] -> [N,H',W',C]. The gradient goes to the first (row-major) of equal maxima of a
/// window.
Variable max_pool2d(const Variable& x, const Pool2dOptions& options);
/// The pixels of x that `argmax` (u8, a constant) names. Adjoint of max_unpool2d.
Variable max_pool2d_at(const Variable& x, const Variable& argmax, const Pool2dOptions& options);
/// Adds each grad [N,H',W',C] at the pixel that `argmax` names: -> x_shape [N,H,W,C].
Variable max_unpool2d(const Variable& grad, const Variable& argmax, const Shape& x_shape, const Pool2dOptions& options);

/// Mean of each window.
Variable avg_pool2d(const Variable& x, const Pool2dOptions& options);
/// Adjoint of avg_pool2d: grad [N,H',W',C] -> x_shape [N,H,W,C].
Variable avg_pool2d_grad(const Variable& grad, const Shape& x_shape, const Pool2dOptions& options);

/// Mean over all pixels: [N,H,W,C] -> [N,C].
Variable global_avg_pool(const Variable& x);

}  // namespace kindling
