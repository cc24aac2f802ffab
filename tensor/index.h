// Moving elements: joining, padding, picking and scattering.
#pragma once

#include <initializer_list>
#include <span>

#include <kindling/tensor/out.h>

namespace kindling {

/// Joins along `axis`; all other sizes must be equal. A part that already is its slice of `out.to`
/// is not copied, and is the one operand that may overlap it.
Tensor concat(std::span<const Tensor> parts, int64_t axis, const Out& out = {});
inline Tensor concat(std::initializer_list<Tensor> parts, int64_t axis, const Out& out = {}) {
  return concat(std::span(parts.begin(), parts.size()), axis, out);
}
/// Zeros of `shape` with x at positions begin, begin + step, ... of `axis`: the adjoint of
/// Tensor::slice.
Tensor slice_scatter(const Tensor& x, const Shape& shape, int64_t axis, int64_t begin, int64_t step = 1);
/// x with `before` and `after` zeros added along `axis`.
Tensor pad(const Tensor& x, int64_t axis, int64_t before, int64_t after);
/// out[i][j][k] = x[i][index[i][j][k]][k] for axis 1: index (i64) has x's rank, and sizes at most
/// x's off `axis`. Throws ShapeError if an index is outside.
Tensor gather(const Tensor& x, int64_t axis, const Tensor& index);
/// Adjoint of gather: zeros of `shape`, plus src added where index points. Repeated indices add up
/// in order.
Tensor scatter_add(const Tensor& src, int64_t axis, const Tensor& index, const Shape& shape);
/// index [n] of class numbers (i64) -> [n, classes] with 1 at each. Throws ShapeError if one is
/// outside [0, classes).
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = DType::f32);

}  // namespace kindling
