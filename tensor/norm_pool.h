// Batch normalisation and the max pooling of its result, without the map between them ever being whole.
#pragma once

#include <kindling/tensor/norm.h>
#include <kindling/tensor/pool.h>

namespace kindling {

/// max_pool2d(batch_norm_apply(x, ...)), by bands that stay in L2: x [N,H,W,C], the statistics,
/// gamma and beta [C] -> values and argmax [N,H',W',C]. Throws what the two functions throw.
MaxPool2dResult batch_norm_max_pool2d(const Tensor& x, const BatchNormStats& stats, const Tensor& gamma,
                                      const Tensor& beta, Activation activation, const Pool2dOptions& pool);

/// batch_norm_grads(max_unpool2d(grad, argmax), x, ...). The sums have terms at those pixels alone
/// that the pooling took, and the unpooled gradient is made by bands as well. grad and argmax
/// [N,H',W',C] -> dx [N,H,W,C], dgamma and dbeta [C]. argmax must be batch_norm_max_pool2d's.
BatchNormGrads batch_norm_max_pool2d_grads(const Tensor& grad, const Tensor& argmax, const Tensor& x,
                                           const BatchNormStats& stats, const Tensor& gamma, const Tensor& beta,
                                           Activation activation, const Pool2dOptions& pool);

}  // namespace kindling
