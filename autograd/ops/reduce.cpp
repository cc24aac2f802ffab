#include <kindling/autograd/ops/reduce.h>

#include <array>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/index.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

using Axes = std::array<bool, Shape::kMaxRank>;

Shape kept_shape(const Shape& shape, const Axes& reduced) {
  Shape kept = shape;
  for (int64_t axis = 0; axis < shape.rank(); ++axis)
    if (reduced[static_cast<size_t>(axis)]) kept[axis] = 1;
  return kept;
}

}  // namespace

Variable sum(const Variable& x, const Shape& axes, bool keepdim) {
  const Shape kept = kept_shape(x.shape(), reduced_axes("sum", x.rank(), axes));
  return record("sum", sum(x.value(), axes, keepdim), {x}, Keep::nothing,
                [kept](const Step& s) { return broadcast_to(reshape(s.grad, kept), s.input_shape(0)); });
}

Variable mean(const Variable& x, const Shape& axes, bool keepdim) {
  check(x.numel() > 0, "mean", "of an empty tensor, shape ", x.shape());
  const Variable total = sum(x, axes, keepdim);
  return mul(total, static_cast<double>(total.numel()) / static_cast<double>(x.numel()));
}

/// With the reduced axes moved to the end and flattened, the largest elements are those that argmax
/// points to.
Variable max(const Variable& x, const Shape& axes, bool keepdim) {
  check(x.numel() > 0, "max", "of an empty tensor, shape ", x.shape());
  const Axes reduced = reduced_axes("max", x.rank(), axes);
  Shape order, rest;
  for (const bool last : {false, true})
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      if (reduced[static_cast<size_t>(axis)] == last) order.push_back(axis);
  for (int64_t axis = 0; axis < x.rank(); ++axis)
    if (!reduced[static_cast<size_t>(axis)]) rest.push_back(x.shape()[axis]);

  Shape rows = rest;
  rows.push_back(x.numel() / rest.numel());
  const Variable flat = reshape(permute(x, order), rows);
  const Variable largest = gather(flat, -1, argmax(flat.value(), -1, /*keepdim=*/true));
  return reshape(largest, keepdim ? kept_shape(x.shape(), reduced) : rest);
}

Variable sum_to(const Variable& x, const Shape& shape) {
  return record("sum_to", sum_to(x.value(), shape), {x}, Keep::nothing,
                [](const Step& s) { return broadcast_to(s.grad, s.input_shape(0)); });
}

Variable broadcast_to(const Variable& x, const Shape& shape) {
  return record("broadcast_to", x.value().broadcast_to(shape), {x}, Keep::nothing,
                [](const Step& s) { return sum_to(s.grad, s.input_shape(0)); });
}

}  // namespace kindling
