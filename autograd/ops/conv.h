// Differentiable convolution and its two gradients. Each is linear in both arguments, so each one's
// rules call the others.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv_pool.h>

namespace kindling {

/// x [N,H,W,C], w [O,KH,KW,C/groups], bias [O] or undefined -> [N,H',W',O].
Variable conv2d(const Variable& x, const Variable& w, const Variable& bias = {}, const Conv2dOptions& options = {},
                const Out& out = {});

/// relu(conv2d(...)) as one operation. ReLU costs no pass over the result. Its gradient costs one,
/// which also sums the bias's.
Variable conv2d_relu(const Variable& x, const Variable& w, const Variable& bias = {}, const Conv2dOptions& options = {},
                     const Out& out = {});

/// max_pool2d(conv2d(x, w, bias)), or of its ReLU, as one operation that goes through the map
/// between the two band by band (see tensor/conv_pool.h).
Variable conv2d_max_pool2d(const Variable& x, const Variable& w, const Variable& bias, const ConvPoolOptions& options);

/// grad [N,H',W',O], w [O,KH,KW,C/groups] -> x_shape [N,H,W,C].
Variable conv2d_input_grad(const Variable& grad, const Variable& w, const Shape& x_shape,
                           const Conv2dOptions& options = {}, const Out& out = {});

/// grad [N,H',W',O], x [N,H,W,C] -> w_shape [O,KH,KW,C/groups].
Variable conv2d_weight_grad(const Variable& grad, const Variable& x, const Shape& w_shape,
                            const Conv2dOptions& options = {}, const Out& out = {});

/// conv2d_weight_grad(max_unpool2d(grad, argmax), x): grad and argmax (u8, a constant) [N,H',W',O].
Variable conv2d_max_pool2d_weight_grad(const Variable& grad, const Variable& argmax, const Variable& x,
                                       const Shape& w_shape, const ConvPoolOptions& options, const Out& out = {});

/// What ReLU lets through of the gradient of its result y = relu(z + bias), and what of that is the
/// bias's: its sum over all pixels. One pass makes both. `out` is for the first and may be `grad`.
struct ReluGrads {
  Variable grad;  ///< grad where y > 0, else 0
  Variable bias;  ///< [C]
};
ReluGrads relu_bias_grad(const Variable& grad, const Variable& y, const Out& out = {});

}  // namespace kindling
