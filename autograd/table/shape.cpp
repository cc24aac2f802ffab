#include <kindling/autograd/ops/shape.h>

#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

// The row-major position of `index`.
int64_t position(const Shape& shape, const Shape& index) {
  int64_t flat = 0;
  for (int64_t axis = 0; axis < shape.rank(); ++axis) flat = flat * shape[axis] + index[axis];
  return flat;
}

// x in row-major order under another shape.
Tensor relabelled(const Tensor& x, const Shape& shape) {
  std::vector<double> values;
  for_each_index(x.shape(), [&](const Shape& i) { values.push_back(at(x, i)); });
  return build(shape, [&](const Shape& i) { return values[static_cast<size_t>(position(shape, i))]; });
}

using Function = std::function<Variable(const Variable&)>;

void add_relabelling(std::vector<OpCase>& cases, const char* op, const char* variant, const Shape& from,
                     const Shape& to, Function function) {
  cases.push_back({op, variant, uniform({from}), [function](const Args& x) { return function(x[0]); },
                   [to](const Inputs& x) { return relabelled(x[0], to); }});
}

// y[index] = x[source(index)], or 0 where source gives an index outside x.
void add_move(std::vector<OpCase>& cases, const char* op, const char* variant, const Shape& from, const Shape& to,
              Function function, std::function<Shape(const Shape&)> source) {
  const auto reference = [=](const Inputs& x) {
    return build(to, [&](const Shape& i) {
      const Shape j = source(i);
      for (int64_t axis = 0; axis < j.rank(); ++axis)
        if (j[axis] < 0 || j[axis] >= from[axis]) return 0.0;
      return at(x[0], j);
    });
  };
  cases.push_back({op, variant, uniform({from}), [function](const Args& x) { return function(x[0]); }, reference});
}

void add_concat(std::vector<OpCase>& cases) {
  const auto function = [](const Args& x) { return concat(x, -1); };
  const auto reference = [](const Inputs& x) {
    const int64_t a = x[0].size(1), b = x[1].size(1), c = x[2].size(1);
    return build({x[0].size(0), a + b + c}, [&](const Shape& i) {
      return i[1] < a ? at(x[0], i) : i[1] < a + b ? at(x[1], {i[0], i[1] - a}) : at(x[2], {i[0], i[1] - a - b});
    });
  };
  cases.push_back({"concat", "[3, 2], [3, 1] and [3, 4]", uniform({{3, 2}, {3, 1}, {3, 4}}), function, reference});
  cases.push_back({"concat", "size 1", uniform({{1, 1}, {1, 1}, {1, 1}}), function, reference});
  cases.push_back({"split", "and joined in another order", uniform({{2, 7, 3}}),
                   [](const Args& x) {
                     const Variables parts = split(x[0], {1, 4, 2}, 1);
                     return concat({parts[2], parts[0], parts[1]}, 1);
                   },
                   [](const Inputs& x) {
                     return build({2, 7, 3}, [&](const Shape& i) { return at(x[0], {i[0], (i[1] + 5) % 7, i[2]}); });
                   }});
}

}  // namespace

void add_shapes(std::vector<OpCase>& cases) {
  add_relabelling(cases, "reshape", "[6, 5] to [3, 10]", {6, 5}, {3, 10}, [](auto& x) { return reshape(x, {3, -1}); });
  add_relabelling(cases, "reshape", "scalar", {}, {1, 1}, [](auto& x) { return reshape(x, {1, 1}); });
  add_move(
      cases, "reshape", "of a transposed view", {2, 3, 4}, {6, 4},  // needs a copy
      [](auto& x) {
        return reshape(transpose(x, 0, 1), {6, 4});
      },
      [](const Shape& i) {
        return Shape{i[0] % 2, i[0] / 2, i[1]};
      });
  add_relabelling(cases, "flatten", "", {2, 3, 5}, {2, 15}, [](auto& x) { return flatten(x); });
  add_relabelling(cases, "unsqueeze", "", {3, 5}, {3, 1, 5}, [](auto& x) { return unsqueeze(x, -2); });
  add_relabelling(cases, "squeeze", "", {3, 1, 5}, {3, 5}, [](auto& x) { return squeeze(x, 1); });

  add_move(
      cases, "permute", "", {2, 3, 5}, {5, 2, 3},
      [](auto& x) {
        return permute(x, {2, 0, -2});
      },
      [](const Shape& i) {
        return Shape{i[1], i[2], i[0]};
      });
  add_move(
      cases, "transpose", "", {2, 3, 5}, {5, 3, 2}, [](auto& x) { return transpose(x, 0, -1); },
      [](const Shape& i) {
        return Shape{i[2], i[1], i[0]};
      });
  add_move(
      cases, "slice", "step 1", {3, 7}, {3, 4}, [](auto& x) { return slice(x, 1, 2, 6); },
      [](const Shape& i) {
        return Shape{i[0], i[1] + 2};
      });
  add_move(
      cases, "slice", "step 3", {8, 2}, {3, 2}, [](auto& x) { return slice(x, 0, 1, 8, 3); },
      [](const Shape& i) {
        return Shape{1 + 3 * i[0], i[1]};
      });
  add_move(
      cases, "slice", "size 1", {1}, {1}, [](auto& x) { return slice(x, 0, 0, 1); }, [](const Shape& i) { return i; });
  add_move(
      cases, "slice_scatter", "step 1", {3, 2}, {3, 5},
      [](auto& x) {
        return slice_scatter(x, {3, 5}, -1, 2);
      },
      [](const Shape& i) {
        return Shape{i[0], i[1] - 2};
      });
  add_move(
      cases, "slice_scatter", "step 2", {2, 3}, {6, 3},
      [](auto& x) {
        return slice_scatter(x, {6, 3}, 0, 1, 2);
      },
      [](const Shape& i) {
        return i[0] % 2 == 1 && i[0] < 4 ? Shape{i[0] / 2, i[1]} : Shape{-1, i[1]};
      });
  add_move(
      cases, "select", "", {2, 3, 5}, {2, 5}, [](auto& x) { return select(x, 1, 2); },
      [](const Shape& i) {
        return Shape{i[0], 2, i[1]};
      });
  add_move(
      cases, "pad", "both sides", {3, 2}, {3, 7}, [](auto& x) { return pad(x, 1, 2, 3); },
      [](const Shape& i) {
        return Shape{i[0], i[1] - 2};
      });
  add_move(
      cases, "pad", "none", {1, 1}, {1, 1}, [](auto& x) { return pad(x, 0, 0, 0); }, [](const Shape& i) { return i; });
  add_concat(cases);
}

}  // namespace kindling::table
