// The singular value decomposition.
#pragma once

#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// A = U diag(s) V', of a matrix [m,n] with k = min(m, n). All in f64.
struct Svd {
  Tensor u;               ///< [m,k], orthonormal columns
  std::vector<double> s;  ///< k singular values, descending
  Tensor vt;              ///< [k,n], orthonormal rows
};

/// By LAPACK's dgesdd, on one thread. Throws ShapeError if x is no matrix or has no elements, Error
/// if it holds a NaN or Inf, or if the iteration does not converge.
Svd svd(const Tensor& x);

}  // namespace kindling
