// Reductions. `axes` may be negative; none given means all. Reduced axes go away, or stay with size 1 (`keepdim`).
// Sums are cut into blocks by shape alone and added up in a fixed order, so the bits do not depend on the threads.
#pragma once

#include <kindling/tensor/tensor.h>

namespace kindling {

Tensor sum(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Throws ShapeError for an empty tensor, as do max and argmax.
Tensor mean(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
Tensor max(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Index (i64) of the largest element along `axis`; the first one of equals. NaN counts as largest.
Tensor argmax(const Tensor& x, int64_t axis = -1, bool keepdim = false);
/// The adjoint of broadcast_to: sums x down to `shape`. If there is nothing to sum, it returns x or
/// a view of it. Throws ShapeError if `shape` does not broadcast to that of x.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// sum of a_i b_i over all elements, in double.
double dot(const Tensor& a, const Tensor& b);
/// sqrt(dot(x, x)).
double norm(const Tensor& x);

}  // namespace kindling
