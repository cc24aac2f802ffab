#include <kindling/autograd/ops/shape.h>

#include <numeric>

#include <kindling/autograd/record.h>

namespace kindling {
namespace {

Variable reshaped(const Variable& x, Tensor value) {
  return record("reshape", std::move(value), {x}, Keep::nothing,
                [](const Step& s) { return reshape(s.grad, s.input_shape(0)); });
}

Shape inverse(const Shape& axes) {
  Shape result = axes;
  for (int64_t i = 0; i < axes.rank(); ++i) result[normalize_axis("permute", axes[i], axes.rank())] = i;
  return result;
}

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) { return reshaped(x, x.value().reshape(shape)); }

Variable flatten(const Variable& x, int64_t axis) {
  axis = normalize_axis("flatten", axis, x.rank());
  Shape shape(x.shape().begin(), x.shape().begin() + axis);
  shape.push_back(Shape(x.shape().begin() + axis, x.shape().end()).numel());
  return reshape(x, shape);
}

Variable unsqueeze(const Variable& x, int64_t axis) { return reshaped(x, x.value().unsqueeze(axis)); }
Variable squeeze(const Variable& x, int64_t axis) { return reshaped(x, x.value().squeeze(axis)); }

Variable permute(const Variable& x, const Shape& axes) {
  return record("permute", x.value().permute(axes), {x}, Keep::nothing,
                [axes](const Step& s) { return permute(s.grad, inverse(axes)); });
}

Variable transpose(const Variable& x, int64_t axis_a, int64_t axis_b) {
  return record("transpose", x.value().transpose(axis_a, axis_b), {x}, Keep::nothing,
                [axis_a, axis_b](const Step& s) { return transpose(s.grad, axis_a, axis_b); });
}

Variable slice(const Variable& x, int64_t axis, int64_t begin, int64_t end, int64_t step) {
  return record("slice", x.value().slice(axis, begin, end, step), {x}, Keep::nothing,
                [=](const Step& s) { return slice_scatter(s.grad, s.input_shape(0), axis, begin, step); });
}

Variable slice_scatter(const Variable& x, const Shape& shape, int64_t axis, int64_t begin, int64_t step) {
  const int64_t count = x.size(axis), end = count == 0 ? begin : begin + (count - 1) * step + 1;
  return record("slice_scatter", slice_scatter(x.value(), shape, axis, begin, step), {x}, Keep::nothing,
                [=](const Step& s) { return slice(s.grad, axis, begin, end, step); });
}

Variable select(const Variable& x, int64_t axis, int64_t index) {
  check(0 <= index && index < x.size(axis), "select", "index ", index, " is outside axis ", axis, " of shape ",
        x.shape());
  return squeeze(slice(x, axis, index, index + 1), axis);
}

Variable pad(const Variable& x, int64_t axis, int64_t before, int64_t after) {
  const int64_t end = before + x.size(axis);
  return record("pad", pad(x.value(), axis, before, after), {x}, Keep::nothing,
                [=](const Step& s) { return slice(s.grad, axis, before, end); });
}

namespace {

Variable record_concat(Tensor value, const Variables& parts, int64_t axis) {
  const Variable y = record_list("concat", std::move(value), parts, Keep::nothing, [axis](const Step& s, size_t i) {
    int64_t begin = 0;
    for (size_t before = 0; before < i; ++before) begin += s.input_shape(before)[axis];
    return slice(s.grad, axis, begin, begin + s.input_shape(i)[axis]);
  });
  if (y.node()) y.node()->splits_grad = true;
  return y;
}

}  // namespace

Variable concat(const Variables& parts, int64_t axis, const Out& out) {
  check_not_adding("concat", out);
  check(!parts.empty(), "concat", "no parts");
  axis = normalize_axis("concat", axis, parts.front().rank());
  std::vector<Tensor> values;
  for (const Variable& part : parts) values.push_back(part.value());
  return record_concat(concat(values, axis, out), parts, axis);
}

Variables split(const Variable& x, const std::vector<int64_t>& sizes, int64_t axis) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  check(total == x.size(axis), "split", "parts add up to ", total, ", axis ", axis, " of shape ", x.shape(),
        " does not");
  Variables parts;
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    parts.push_back(slice(x, axis, begin, begin + size));
    begin += size;
  }
  return parts;
}

}  // namespace kindling
