// Normalisation over channels-last activations.
#pragma once

#include <kindling/tensor/out.h>

namespace kindling {

struct BatchNormStats {
  Tensor mean;     ///< [C], mean over all axes but the last
  Tensor inv_std;  ///< [C], 1 / sqrt(variance + eps), variance with divisor M = numel / C
};
/// The statistics of x [..., C], from sums over the distance to the mean of some of its rows.
/// Throws ShapeError if x is empty or neither f32 nor f64. The functions below also throw it if
/// shapes or dtypes do not fit.
BatchNormStats batch_norm_stats(const Tensor& x, double eps);
/// What follows the normalisation in the same pass.
enum class Activation : uint8_t { none, relu };
/// (x - mean) * inv_std * gamma + beta, or its ReLU, in one pass: x [..., C] -> [..., C]; all
/// others [C].
Tensor batch_norm_apply(const Tensor& x, const BatchNormStats& stats, const Tensor& gamma, const Tensor& beta,
                        Activation activation = Activation::none, const Out& out = {});
/// Gradients of batch normalisation, whose statistics depend on x (Ioffe and Szegedy 2015,
/// arXiv:1502.03167, section 3):
///   dx = gamma inv_std (g - mean(g) - xhat mean(g xhat));  dgamma = sum(g xhat);  dbeta = sum(g)
/// g is grad, or the part of it that ReLU lets through. grad and dx are [..., C], dgamma and dbeta
/// [C]. `out` is for dx and may be `grad` itself.
struct BatchNormGrads {
  Tensor dx, dgamma, dbeta;
};
BatchNormGrads batch_norm_grads(const Tensor& grad, const Tensor& x, const BatchNormStats& stats, const Tensor& gamma,
                                const Tensor& beta, Activation activation = Activation::none, const Out& out = {});

struct LocalResponseNormOptions {
  int64_t size = 5;     ///< channels, odd
  double alpha = 1e-4;  ///< Caffe's and PyTorch's convention: divided by size
  double beta = 0.75;
  double k = 1.0;
};
/// y_c = x_c (k + alpha/size sum_{c' within size/2 of c} x_c'^2)^-beta over the last axis
/// (Krizhevsky et al., NIPS 2012, section 3.3, with alpha divided by size).
Tensor local_response_norm(const Tensor& x, const LocalResponseNormOptions& options);
/// sum over channels within size/2 of c (clipped at the ends): a symmetric linear map, its own
/// adjoint.
Tensor channel_window_sum(const Tensor& x, int64_t size);

}  // namespace kindling
