// Matrix products.
#pragma once

#include <kindling/tensor/out.h>

namespace kindling {

/// [m,k] x [k,n] -> [m,n], or in batches: [..., m,k] x [..., k,n], whose leading axes broadcast.
/// Operands may be transposed views, which are not copied. On all threads; bits depend on the
/// shapes and layouts alone (tensor/gemm.h). Throws ShapeError if the inner sizes differ or a
/// rank is below 2.
Tensor matmul(const Tensor& a, const Tensor& b, const Out& out = {});
/// matmul() of matrices [n,k] x [k,n] whose product is known to be symmetric, such as x x' or the
/// square of a symmetric matrix, at up to half of the cost. What it is added to must be symmetric
/// too. Throws ShapeError for other ranks and sizes.
Tensor symmetric_matmul(const Tensor& a, const Tensor& b, const Out& out = {});
/// Swaps the last two axes (a view).
Tensor transpose(const Tensor& x);

}  // namespace kindling
