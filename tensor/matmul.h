// Matrix products.
#pragma once

#include <kindling/tensor/out.h>

namespace kindling {

/// [m,k] x [k,n] -> [m,n], or in batches: [..., m,k] x [..., k,n], whose leading axes broadcast.
/// Operands may be transposed views, which are not copied. OpenBLAS computes blocks of rows, one
/// thread each. Blocks depend on the shape alone. Throws ShapeError if the inner sizes differ or a
/// rank is below 2.
Tensor matmul(const Tensor& a, const Tensor& b, const Out& out = {});
/// Swaps the last two axes (a view).
Tensor transpose(const Tensor& x);

}  // namespace kindling
