#include <kindling/tensor/index.h>

#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

// Index tensors are walked in row-major order, [outer, n, inner] around their axis; the other tensor has `size`
// elements along that axis and may be larger off it.
struct IndexWalk {
  IndexWalk(const char* op, const Shape& other, int64_t axis, const Tensor& index) : size(other[axis]) {
    check(index.dtype() == DType::i64, op, "index must be i64, got ", index.dtype());
    check(index.rank() == other.rank(), op, "index ", index.shape(), " and tensor ", other, " differ in rank");
    for (int64_t i = 0; i < other.rank(); ++i)
      check(i == axis || index.shape()[i] <= other[i], op, "index ", index.shape(), " is larger than tensor ", other,
            " along axis ", i);
  }

  // Calls f(position in index, offset in a tensor with `strides`).
  template <class F>
  void for_each(const char* op, const Tensor& index, const Strides& strides, int64_t axis, F f) const {
    const int64_t* values = index.data<int64_t>();
    Shape at = Shape::filled(index.rank(), 0);
    for (int64_t i = 0; i < index.numel(); ++i) {
      check(values[i] >= 0 && values[i] < size, op, "index ", values[i], " is outside [0, ", size, ")");
      int64_t offset = values[i] * strides[axis];
      for (int64_t a = 0; a < at.rank(); ++a)
        if (a != axis) offset += at[a] * strides[a];
      f(i, offset);
      for (int64_t a = at.rank() - 1; a >= 0 && ++at[a] == index.shape()[a]; --a) at[a] = 0;
    }
  }

  int64_t size;
};

}  // namespace

Tensor concat(std::span<const Tensor> parts, int64_t axis, const Out& out) {
  check(!parts.empty(), "concat", "needs at least one tensor");
  const Tensor& first = parts.front();
  axis = normalize_axis("concat", axis, first.rank());
  Shape shape = first.shape();
  shape[axis] = 0;
  for (const Tensor& part : parts) {
    check_same_dtype("concat", first, part);
    check(part.rank() == first.rank() && part.shape().without(axis) == first.shape().without(axis), "concat", "shapes ",
          first.shape(), " and ", part.shape(), " differ off axis ", axis);
    shape[axis] += part.shape()[axis];
  }
  detail::check_out("concat", out, shape, first.dtype(), detail::Layout::any);
  Tensor result = detail::target(out, shape, first.dtype());
  bool some_are_there = false;
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    const Out slice{result.slice(axis, begin, begin + part.shape()[axis]), out.adds()};
    some_are_there = some_are_there || detail::same_elements(slice.to, part);
    if (!detail::same_elements(slice.to, part)) detail::deliver("concat", slice, part);
    begin += part.shape()[axis];
  }
  return some_are_there ? result : detail::deliver("concat", out, result);
}

Tensor slice_scatter(const Tensor& x, const Shape& shape, int64_t axis, int64_t begin, int64_t step) {
  axis = normalize_axis("slice_scatter", axis, shape.rank());
  check(x.rank() == shape.rank() && x.shape().without(axis) == shape.without(axis), "slice_scatter", "slice ",
        x.shape(), " does not fit shape ", shape, " along axis ", axis);
  const int64_t n = x.shape()[axis], end = n == 0 ? begin : begin + (n - 1) * step + 1;
  check(begin >= 0 && step >= 1 && end <= shape[axis], "slice_scatter", "range ", begin, ":", end, ":", step,
        " does not fit axis ", axis, " of shape ", shape);
  Tensor result = Tensor::zeros(shape, x.dtype());
  result.slice(axis, begin, end, step).copy_(x);
  return result;
}

Tensor pad(const Tensor& x, int64_t axis, int64_t before, int64_t after) {
  axis = normalize_axis("pad", axis, x.rank());
  check(before >= 0 && after >= 0, "pad", "needs amounts of at least 0, got ", before, " and ", after);
  Shape shape = x.shape();
  shape[axis] += before + after;
  return slice_scatter(x, shape, axis, before);
}

Tensor gather(const Tensor& x, int64_t axis, const Tensor& index_any) {
  axis = normalize_axis("gather", axis, x.rank());
  const Tensor index = index_any.contiguous();
  const IndexWalk walk("gather", x.shape(), axis, index);
  Tensor result = Tensor::empty(index.shape(), x.dtype());
  visit(x.dtype(), [&](auto t) {
    using T = decltype(t);
    const T* from = x.data<T>();
    T* to = result.data<T>();
    walk.for_each("gather", index, x.strides(), axis, [&](int64_t i, int64_t offset) { to[i] = from[offset]; });
  });
  return result;
}

Tensor scatter_add(const Tensor& src_any, int64_t axis, const Tensor& index_any, const Shape& shape) {
  axis = normalize_axis("scatter_add", axis, shape.rank());
  const Tensor src = src_any.contiguous(), index = index_any.contiguous();
  check(src.shape() == index.shape(), "scatter_add", "source ", src.shape(), " and index ", index.shape(), " differ");
  const IndexWalk walk("scatter_add", shape, axis, index);
  Tensor result = Tensor::zeros(shape, src.dtype());
  visit(src.dtype(), [&](auto t) {
    using T = decltype(t);
    const T* from = src.data<T>();
    T* to = result.data<T>();
    walk.for_each("scatter_add", index, result.strides(), axis,
                  [&](int64_t i, int64_t offset) { to[offset] = static_cast<T>(to[offset] + from[i]); });
  });
  return result;
}

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype) {
  check(index.rank() == 1 && index.dtype() == DType::i64, "one_hot", "needs i64 [n], got ", index.dtype(), ' ',
        index.shape());
  Tensor result = Tensor::zeros({index.size(0), classes}, dtype);
  for (int64_t i = 0; i < index.size(0); ++i) {
    const int64_t label = index.at<int64_t>({i});
    check(label >= 0 && label < classes, "one_hot", "class ", label, " is outside [0, ", classes, ")");
    visit(dtype, [&](auto t) { result.at<decltype(t)>({i, label}) = 1; });
  }
  return result;
}

}  // namespace kindling
