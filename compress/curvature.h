// How much the loss rises when the weights of a layer change: a quadratic form, and its factor.
#pragma once

#include <string>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// The loss rises by about 1/2 sum_o d_o' H d_o when row o of a weight matrix [O, K] changes by d_o
/// and the biases follow as is best. One H serves all rows.
struct Curvature {
  /// f64 [K, K], or [K]: the diagonal alone, of layers that are too wide for the whole.
  Tensor hessian;
  /// f64 [K]: bias o follows by -follow' d_o. Zeros where there is no bias.
  Tensor bias_follows;
  /// The same of a bias by itself: the loss rises by 1/2 bias e^2 when one changes by e.
  double bias = 0;
};

/// H = R R' with R upper triangular, the columns in the order in which they are to be rounded:
/// those that matter most come first. With e_i the error of column i, in that order,
///   d' H d = sum_j (R_jj e_j + sum_{i<j} R_ij e_i)^2,
/// so column j can make good the errors of those before it: it aims at
///   w_j + sum_{i<j} (R_ij / R_jj) e_i.
/// This is the update of optimal brain surgeon and GPTQ (arXiv:2210.17323), written without the
/// inverse of H.
struct CurvatureFactor {
  int64_t columns = 0;
  std::vector<int64_t> order;    ///< order[j]: the column of the weight that is rounded as j-th
  std::vector<double> damped;    ///< [K, K] row-major, the damped H in that order; empty for a diagonal one
  std::vector<double> factor;    ///< [K, K] row-major, R; empty for a diagonal H
  std::vector<double> diagonal;  ///< R_jj
};

/// The factor of H + damping mean(diag H) I, which is positive definite for a damping above 0.
/// Throws ShapeError if `hessian` is neither [K, K] nor [K], Error if it is not finite.
CurvatureFactor factorise(const Tensor& hessian, double damping);

}  // namespace kindling
