#include <algorithm>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

using Reduction = Variable (*)(const Variable&, const Shape&, bool);
using Combine = double (*)(double, double);

// x folded by `combine` over `axes` (non-negative; none: all), in row-major order.
Tensor fold(const Tensor& x, const Shape& axes, bool keepdim, double start, Combine combine) {
  const auto reduced = [&](int64_t axis) {
    return axes.rank() == 0 || std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  Shape kept = x.shape(), shape;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    if (reduced(axis)) kept[axis] = 1;
    if (!reduced(axis) || keepdim) shape.push_back(kept[axis]);
  }
  Tensor y = Tensor::full(kept, start, DType::f64);
  for_each_index(x.shape(), [&](const Shape& i) {
    Shape to = i;
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      if (reduced(axis)) to[axis] = 0;
    y.at<double>(to) = combine(y.at<double>(to), at(x, i));
  });
  return y.reshape(shape);
}

void add_reduction(std::vector<OpCase>& cases, const char* op, Reduction function, double start, Combine combine,
                   bool divide) {
  struct Config {
    Shape shape, axes, positive_axes;
    bool keepdim;
  };
  const std::vector<Config> configs = {{{3, 5}, {}, {}, false},
                                       {{}, {}, {}, false},
                                       {{1, 1}, {0}, {0}, false},
                                       {{2, 3, 5}, {1}, {1}, true},
                                       {{2, 3, 5}, {0, -1}, {0, 2}, false},
                                       {{2, 3, 1, 7}, {-2, 1}, {2, 1}, true}};
  for (const Config& c : configs)
    cases.push_back({op, to_string(c.shape) + ", axes " + to_string(c.axes) + (c.keepdim ? ", keepdim" : ""),
                     distinct({c.shape}), [c, function](const Args& x) { return function(x[0], c.axes, c.keepdim); },
                     [=](const Inputs& x) {
                       const Tensor y = fold(x[0], c.positive_axes, c.keepdim, start, combine);
                       const double count = static_cast<double>(x[0].numel() / y.numel());
                       return build(y.shape(), [&](const Shape& i) { return divide ? at(y, i) / count : at(y, i); });
                     }});
}

}  // namespace

void add_reductions(std::vector<OpCase>& cases) {
  add_reduction(
      cases, "sum", sum, 0, [](double a, double b) { return a + b; }, false);
  add_reduction(
      cases, "mean", mean, 0, [](double a, double b) { return a + b; }, true);
  add_reduction(
      cases, "max", max, -1e300, [](double a, double b) { return std::max(a, b); }, false);

  const std::vector<std::pair<Shape, Shape>> pairs = {// small, large
                                                      {{3, 1}, {2, 3, 5}},
                                                      {{}, {2, 3}},
                                                      {{1}, {1}},
                                                      {{4, 5}, {4, 5}},
                                                      {{1, 3, 1}, {2, 3, 7}}};
  for (const auto& [small, large] : pairs) {
    cases.push_back(
        {"broadcast_to", to_string(small) + " to " + to_string(large), uniform({small}),
         [large = large](const Args& x) { return broadcast_to(x[0], large); },
         [large = large](const Inputs& x) { return build(large, [&](const Shape& i) { return at(x[0], i); }); }});
    cases.push_back({"sum_to", to_string(large) + " to " + to_string(small), uniform({large}),
                     [small = small](const Args& x) { return sum_to(x[0], small); },
                     [small = small](const Inputs& x) {
                       Tensor y = Tensor::zeros(small, DType::f64);
                       for_each_index(x[0].shape(), [&](const Shape& i) {
                         Shape to = small;
                         const int64_t added = i.rank() - small.rank();
                         for (int64_t axis = 0; axis < small.rank(); ++axis)
                           to[axis] = small[axis] == 1 ? 0 : i[axis + added];
                         y.at<double>(to) += at(x[0], i);
                       });
                       return y;
                     }});
  }
}

}  // namespace kindling::table
