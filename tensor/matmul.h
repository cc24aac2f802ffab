// Matrix products.
#pragma once

#include <kindling/tensor/out.h>

namespace kindling {

/// [m,k] x [k,n] -> [m,n], and batched: [..., m,k] x [..., k,n] with leading axes that broadcast.
/// Operands may be transposed views; they are not copied. `out.to` must be contiguous. Runs on
/// OpenBLAS, one thread per block of rows; blocks are cut by shape alone. Throws ShapeError if the
/// inner sizes differ or a rank is below 2.
Tensor matmul(const Tensor& a, const Tensor& b, const Out& out = {});
/// Swaps the last two axes (a view).
Tensor transpose(const Tensor& x);

}  // namespace kindling
