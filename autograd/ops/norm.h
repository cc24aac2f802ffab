// Differentiable normalisation over channels-last activations.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/norm.h>
#include <kindling/tensor/pool.h>

namespace kindling {

struct BatchNormResult {
  Variable values;       ///< [..., C]
  BatchNormStats stats;  ///< of this batch, for running averages; constants
};
/// Normalises x [..., C] by the mean and variance of the batch: gamma (x - mean) / sqrt(var + eps)
/// + beta, where var has the divisor M = numel / C; gamma, beta [C]. The gradient includes the
/// dependence of the statistics on x (Ioffe and Szegedy, arXiv:1502.03167). With Activation::relu
/// the values are the ReLU of that.
BatchNormResult batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, double eps = 1e-5,
                           Activation activation = Activation::none, const Out& out = {});

/// sum + batch_norm's values, like `std::move(sum) + values`: in the memory of `sum` if nothing
/// else sees it.
BatchNormResult batch_norm_onto(Variable&& sum, const Variable& x, const Variable& gamma, const Variable& beta,
                                double eps = 1e-5, Activation activation = Activation::none);

/// max_pool2d of batch_norm's values, without the map between the two (tensor/norm_pool.h): x
/// [N,H,W,C] -> [N,H',W',C].
BatchNormResult batch_norm_max_pool2d(const Variable& x, const Variable& gamma, const Variable& beta, double eps,
                                      Activation activation, const Pool2dOptions& pool);

/// (x - mean) * inv_std * gamma + beta with given statistics (constants), or its ReLU: batch
/// normalisation at evaluation.
Variable batch_norm_apply(const Variable& x, const BatchNormStats& stats, const Variable& gamma, const Variable& beta,
                          Activation activation = Activation::none, const Out& out = {});

/// y_c = x_c (k + alpha/size sum_{c' within size/2 of c} x_c'^2)^-beta over the last axis.
Variable local_response_norm(const Variable& x, const LocalResponseNormOptions& options);
/// Sum over channels within size/2 of c: its own adjoint.
Variable channel_window_sum(const Variable& x, int64_t size);

}  // namespace kindling
