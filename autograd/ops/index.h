// Differentiable picking and scattering by indices (i64, constants). The two are each other's adjoint.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/index.h>

namespace kindling {

/// out[i][j][k] = x[i][index[i][j][k]][k] for axis 1.
Variable gather(const Variable& x, int64_t axis, const Variable& index);
/// Zeros of `shape`, plus src added where index points.
Variable scatter_add(const Variable& src, int64_t axis, const Variable& index, const Shape& shape);

}  // namespace kindling
