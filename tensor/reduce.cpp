#include <kindling/tensor/reduce.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/reduce.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

// A contiguous tensor seen as [outer, reduced, inner], of which the middle is to go.
struct Folded {
  int64_t outer, reduced, inner;
};

// Elements that are summed in one piece. Also bounds the rounding
// error: it grows with the piece, then with the number of pieces.
constexpr int64_t kBlock = 32768;

// [outer, reduced, inner] -> [outer, inner]. Each of the `blocks` pieces along `reduced` has a row of sums of its own;
// these are then added in order.
template <class T>
void sum_middle(const Folded& f, T* y, const T* x) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t rows = std::max<int64_t>(1, kBlock / std::max<int64_t>(f.inner, 1));
  const int64_t blocks = std::max<int64_t>(1, ceil_div(f.reduced, rows));
  Tensor partial = Tensor::zeros({f.outer, blocks, f.inner}, dtype_of<T>());
  T* sums = partial.data<T>();
  const int64_t grain = std::max<int64_t>(1, kBlock / std::max<int64_t>(1, std::min(rows, f.reduced) * f.inner));
  parallel_for(f.outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % blocks * rows, count = std::min(rows, f.reduced - first);
      const T* block = x + (task / blocks * f.reduced + first) * f.inner;
      if (f.inner == 1)
        sums[task] = kernel.sum(count, block);
      else
        kernel.sum_rows(count, f.inner, sums + task * f.inner, block, f.inner);
    }
  });
  for (int64_t o = 0; o < f.outer; ++o) {
    std::fill_n(y + o * f.inner, f.inner, T(0));
    kernel.sum_rows(blocks, f.inner, y + o * f.inner, sums + o * blocks * f.inner, f.inner);
  }
}

template <class T>
void max_middle(const Folded& f, T* y, const T* x) {
  parallel_for(f.outer, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t i = 0; i < f.inner; ++i) {
        const T* first = x + o * f.reduced * f.inner + i;
        y[o * f.inner + i] = first[kernels::argmax(f.reduced, first, f.inner) * f.inner];
      }
  });
}

// Reduces `axes`, one run of neighbouring axes at a time from the last, by `middle(folded, y, x)`.
template <class Middle>
Tensor reduce(const char* op, const Tensor& x, const Shape& axes, bool keepdim, Middle middle) {
  check_floating(op, x.dtype());
  if (x.rank() == 0) return x.clone();
  const auto reduced = reduced_axes(op, x.rank(), axes);
  Tensor result = x.contiguous();
  Shape kept = x.shape();  // of the result with the reduced axes as 1
  for (int64_t last = x.rank() - 1; last >= 0; --last) {
    if (!reduced[static_cast<size_t>(last)]) continue;
    int64_t first = last;
    while (first > 0 && reduced[static_cast<size_t>(first - 1)]) --first;
    Folded folded{1, 1, 1};
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      (axis < first ? folded.outer : axis <= last ? folded.reduced : folded.inner) *= kept[axis];
    for (int64_t axis = first; axis <= last; ++axis) kept[axis] = 1;
    Tensor y = Tensor::empty(kept, x.dtype());
    visit_floating(op, x.dtype(), [&](auto t) {
      using T = decltype(t);
      middle(folded, y.data<T>(), static_cast<const Tensor&>(result).data<T>());
    });
    result = y;
    last = first;
  }
  if (keepdim) return result;
  Shape shape;
  for (int64_t axis = 0; axis < x.rank(); ++axis)
    if (!reduced[static_cast<size_t>(axis)]) shape.push_back(x.shape()[axis]);
  return result.reshape(shape);
}

}  // namespace

Tensor sum(const Tensor& x, const Shape& axes, bool keepdim) {
  return reduce("sum", x, axes, keepdim, [](const Folded& f, auto* y, const auto* from) { sum_middle(f, y, from); });
}

Tensor mean(const Tensor& x, const Shape& axes, bool keepdim) {
  const Tensor total = sum(x, axes, keepdim);
  check(x.numel() > 0, "mean", "of an empty tensor, shape ", x.shape());
  return mul(total, static_cast<double>(total.numel()) / static_cast<double>(x.numel()));
}

Tensor max(const Tensor& x, const Shape& axes, bool keepdim) {
  check(x.numel() > 0, "max", "of an empty tensor, shape ", x.shape());
  return reduce("max", x, axes, keepdim, [](const Folded& f, auto* y, const auto* from) { max_middle(f, y, from); });
}

Tensor argmax(const Tensor& x, int64_t axis, bool keepdim) {
  axis = normalize_axis("argmax", axis, x.rank());
  check(x.numel() > 0, "argmax", "of an empty tensor, shape ", x.shape());
  Shape shape = x.shape();
  const int64_t n = shape[axis];
  shape[axis] = 1;
  Tensor result = Tensor::empty(shape, DType::i64);
  const Tensor source = x.transpose(axis, -1).contiguous();  // the axis is innermost
  const Tensor target = result.transpose(axis, -1);
  Tensor flat = Tensor::empty(target.shape(), DType::i64);
  visit(x.dtype(), [&](auto t) {
    using T = decltype(t);
    const T* from = source.data<T>();
    int64_t* to = flat.data<int64_t>();
    for (int64_t i = 0; i < flat.numel(); ++i) to[i] = kernels::argmax(n, from + i * n, 1);
  });
  result.transpose(axis, -1).copy_(flat);
  return keepdim ? result : result.squeeze(axis);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check(broadcastable_to(shape, x.shape()), "sum_to", "cannot sum ", x.shape(), " to ", shape);
  const int64_t added = x.rank() - shape.rank();
  Shape axes;
  for (int64_t axis = 0; axis < x.rank(); ++axis)
    if (axis < added || (shape[axis - added] == 1 && x.shape()[axis] != 1)) axes.push_back(axis);
  if (axes.rank() == 0) return x.reshape(shape);
  return sum(x, axes, true).reshape(shape);
}

double dot(const Tensor& a, const Tensor& b) {
  check_same_dtype("dot", a, b);
  check(a.shape() == b.shape(), "dot", "shapes ", a.shape(), " and ", b.shape(), " differ");
  const Tensor x = a.contiguous(), y = b.contiguous();
  return visit_floating("dot", a.dtype(), [&](auto t) {
    using T = decltype(t);
    const int64_t n = x.numel(), blocks = ceil_div(n, kBlock);
    std::vector<double> partial(static_cast<size_t>(blocks));
    parallel_for(n, kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += kBlock)
        partial[static_cast<size_t>(first / kBlock)] =
            kernels::table<T>().dot(std::min(kBlock, end - first), x.data<T>() + first, y.data<T>() + first);
    });
    double total = 0;
    for (const double value : partial) total += value;
    return total;
  });
}

double norm(const Tensor& x) { return std::sqrt(dot(x, x)); }

}  // namespace kindling
