// A convolution and the max pooling of its result, without the map between them ever being whole.
#pragma once

#include <kindling/tensor/conv.h>
#include <kindling/tensor/pool.h>

namespace kindling {

struct ConvPoolOptions {
  Conv2dOptions conv;
  Pool2dOptions pool;
  bool relu = false;  ///< between the two
};

/// max_pool2d(conv2d(x, w, bias)), or of its ReLU. A band of rows is convolved into a buffer that
/// stays in L2, and is pooled from there. So the map between the two, which is the largest of most
/// networks, is neither written nor read. x [N,H,W,C], w [O,KH,KW,C/groups], bias [O] or undefined
/// -> values and argmax [N,H',W',O]. Throws what the two functions throw.
MaxPool2dResult conv2d_max_pool2d(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvPoolOptions& options);

/// conv2d_weight_grad(max_unpool2d(grad, argmax), x). For a network's first layer it is a sum over
/// the pixels alone that the pooling took (tensor/conv/pooled_weight_grad.cpp). grad [N,H',W',O] is
/// the gradient of the pooled result, and ReLU's is already in it, as that is the same behind the
/// pooling as before. argmax [N,H',W',O] u8, as conv2d_max_pool2d gave it; x [N,H,W,C] -> w_shape
/// [O,KH,KW,C/groups]. Throws
/// ShapeError if shapes, options or dtypes do not fit, or `out.to` is not contiguous.
Tensor conv2d_max_pool2d_weight_grad(const Tensor& grad, const Tensor& argmax, const Tensor& x, const Shape& w_shape,
                                     const ConvPoolOptions& options, const Out& out = {});

}  // namespace kindling
