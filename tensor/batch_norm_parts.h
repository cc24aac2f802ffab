// What the forms of batch normalisation share: its operands, and the end of its gradients. Internal to tensor/.
#pragma once

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/norm.h>
#include <kindling/tensor/norm.h>

namespace kindling::detail {

/// The operands of a normalisation, checked and without gaps, as the kernels take them.
struct NormOperands {
  NormOperands(const char* op, const Tensor& input, const BatchNormStats& stats, const Tensor& gamma,
               const Tensor& beta_any, Activation activation)
      : relu(activation == Activation::relu) {
    check_channels(op, input, stats.mean, "mean");
    check_channels(op, input, stats.inv_std, "inv_std");
    check_channels(op, input, gamma, "weight");
    check_channels(op, input, beta_any, "bias");
    x = input.contiguous();
    mean = stats.mean.contiguous();
    scale = mul(gamma, stats.inv_std);
    beta = beta_any.contiguous();
  }
  template <class T>
  kernels::Affine<T> affine() const {
    return {mean.data<T>(), scale.data<T>(), beta.data<T>(), relu};
  }

  Tensor x, mean, scale, beta;
  bool relu;

 private:
  static void check_channels(const char* op, const Tensor& x, const Tensor& per_channel, const char* name) {
    check_same_dtype(op, x, per_channel);
    check(per_channel.shape() == Shape{x.size(-1)}, op, name, " must be [", x.size(-1), "], got ", per_channel.shape(),
          ": input ", x.shape());
  }
};

/// What follows from the sums [2, C] of g (x - mean) and of g over `count` rows: the gradients of
/// gamma and beta, and p, q, s of dx = p g + q (x - mean) + s, into which the means of g and of
/// g xhat are folded. All [C].
struct NormGradSums {
  NormGradSums(const Tensor& sums, int64_t count, const BatchNormStats& stats, const Tensor& gamma) {
    const DType dtype = gamma.dtype();
    const Tensor inv_std = stats.inv_std.to(DType::f64), slope = gamma.to(DType::f64) * inv_std;
    const Tensor of_gamma = sums.select(0, 0) * inv_std, of_beta = sums.select(0, 1);
    const double scale = -1.0 / static_cast<double>(count);
    p = slope.to(dtype);
    q = (slope * inv_std * of_gamma * scale).to(dtype);
    s = (slope * of_beta * scale).to(dtype);
    dgamma = of_gamma.to(dtype);
    dbeta = of_beta.contiguous().to(dtype);
  }
  Tensor dgamma, dbeta, p, q, s;
};

}  // namespace kindling::detail
