// Differentiable changes of shape, and moves of whole blocks. Arguments are those of Tensor's members and
// tensor/index.h.
#pragma once

#include <vector>

#include <kindling/autograd/variable.h>
#include <kindling/tensor/index.h>
#include <kindling/tensor/matmul.h>

namespace kindling {

Variable reshape(const Variable& x, const Shape& shape);
/// [N, ...] -> [N, product of the rest]; axes before `axis` stay.
Variable flatten(const Variable& x, int64_t axis = 1);
Variable unsqueeze(const Variable& x, int64_t axis);
Variable squeeze(const Variable& x, int64_t axis);

Variable permute(const Variable& x, const Shape& axes);
Variable transpose(const Variable& x, int64_t axis_a = -2, int64_t axis_b = -1);

/// Elements begin, begin + step, ... before `end` of `axis`. Adjoint of slice_scatter.
Variable slice(const Variable& x, int64_t axis, int64_t begin, int64_t end, int64_t step = 1);
/// Zeros of `shape` with x at positions begin, begin + step, ... of `axis`.
Variable slice_scatter(const Variable& x, const Shape& shape, int64_t axis, int64_t begin, int64_t step = 1);
/// Element `index` of `axis`, which goes away.
Variable select(const Variable& x, int64_t axis, int64_t index);
/// x with `before` and `after` zeros added along `axis`.
Variable pad(const Variable& x, int64_t axis, int64_t before, int64_t after);

/// Parts that were written to their slices of `out.to` are not copied: see Out.
Variable concat(const Variables& parts, int64_t axis, const Out& out = {});
/// Consecutive parts of `sizes` along `axis`; the sizes must add up to x's. Adjoint of concat.
Variables split(const Variable& x, const std::vector<int64_t>& sizes, int64_t axis);

}  // namespace kindling
