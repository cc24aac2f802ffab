// Differentiable reductions, and broadcasting, their adjoint.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/reduce.h>

namespace kindling {

/// `axes` may be negative; none given means all. Reduced axes go away, or stay with size 1
/// (`keepdim`).
Variable sum(const Variable& x, const Shape& axes = {}, bool keepdim = false);
Variable mean(const Variable& x, const Shape& axes = {}, bool keepdim = false);
/// The gradient goes to the first (row-major) of equal maxima.
Variable max(const Variable& x, const Shape& axes = {}, bool keepdim = false);

/// Sums x down to `shape`. Adjoint of broadcast_to.
Variable sum_to(const Variable& x, const Shape& shape);
/// NumPy's broadcasting, as a view. Adjoint of sum_to.
Variable broadcast_to(const Variable& x, const Shape& shape);

}  // namespace kindling
