// The fully connected layer and the gradient of its weights; that of its input is matmul(grad, w).
#pragma once

#include <kindling/tensor/out.h>

namespace kindling {

/// y[n,o] = b[o] + sum_i x[n,i] w[o,i]: x [N,I], w [O,I], bias [O] or undefined -> [N,O]. For up to
/// 128 samples the weights are read once, in place; more samples use matmul. Throws ShapeError if
/// sizes or dtypes do not fit.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias = {});

/// dw[o,i] = sum_n grad[n,o] x[n,i]: grad [N,O], x [N,I] -> [O,I]. Throws ShapeError if sizes or
/// dtypes do not fit, or `out.to` is not contiguous.
Tensor linear_weight_grad(const Tensor& grad, const Tensor& x, const Out& out = {});

}  // namespace kindling
