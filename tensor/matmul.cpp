#include <kindling/tensor/matmul.h>

#include <kindling/tensor/gemm.h>

namespace kindling {
namespace {

// A matrix as gemm() takes it: rows or columns contiguous.
template <class T>
struct Operand {
  explicit Operand(const Tensor& x) : tensor(x) {
    const int64_t rows = x.size(0), cols = x.size(1), row_stride = x.strides()[0], col_stride = x.strides()[1];
    if (col_stride == 1 || cols == 1) {
      matrix = {x.data<T>(), row_stride};
    } else if (row_stride == 1 || rows == 1) {
      matrix = {x.data<T>(), col_stride, /*transposed=*/true};
    } else {
      tensor = x.clone();
      matrix = {tensor.data<T>(), cols};
    }
  }
  Tensor tensor;
  detail::Matrix<T> matrix;
};

Shape leading(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const Out& out) {
  check_same_dtype("matmul", a, b);
  check(a.rank() >= 2 && b.rank() >= 2, "matmul", "needs at least two axes: ", a.shape(), " x ", b.shape());
  check(a.size(-1) == b.size(-2), "matmul", "inner sizes ", a.size(-1), " and ", b.size(-2), " differ: ", a.shape(),
        " x ", b.shape());
  const int64_t m = a.size(-2), n = b.size(-1), k = a.size(-1);
  const Shape batch = broadcast_shapes("matmul", leading(a.shape()), leading(b.shape()));
  Shape shape = batch, shape_a = batch, shape_b = batch;
  for (const int64_t size : {m, n}) shape.push_back(size);
  for (const int64_t size : {m, k}) shape_a.push_back(size);
  for (const int64_t size : {k, n}) shape_b.push_back(size);
  detail::check_out("matmul", out, shape, a.dtype(), detail::Layout::contiguous);
  if (k == 0) return detail::deliver("matmul", out, Tensor::zeros(shape, a.dtype()));
  Tensor c = detail::target(out, shape, a.dtype());
  const Tensor wide_a = a.broadcast_to(shape_a), wide_b = b.broadcast_to(shape_b);
  visit_floating("matmul", a.dtype(), [&](auto t) {
    using T = decltype(t);
    for (int64_t i = 0; i < batch.numel(); ++i) {
      Tensor slice_a = wide_a, slice_b = wide_b;
      for (int64_t axis = 0, rest = i, span = batch.numel(); axis < batch.rank(); ++axis) {
        span /= batch[axis];
        slice_a = slice_a.select(0, rest / span);
        slice_b = slice_b.select(0, rest / span);
        rest %= span;
      }
      const Operand<T> left(slice_a), right(slice_b);
      detail::gemm<T>(m, n, k, left.matrix, right.matrix, c.data<T>() + i * m * n, n, out.adds());
    }
  });
  return detail::deliver("matmul", out, c);
}

Tensor symmetric_matmul(const Tensor& a, const Tensor& b, const Out& out) {
  const char* const op = "symmetric_matmul";
  check_same_dtype(op, a, b);
  check(a.rank() == 2 && b.shape() == Shape{a.size(1), a.size(0)}, op, "needs [n,k] x [k,n], got ", a.shape(), " x ",
        b.shape());
  const int64_t n = a.size(0), k = a.size(1);
  detail::check_out(op, out, {n, n}, a.dtype(), detail::Layout::contiguous);
  if (k == 0) return detail::deliver(op, out, Tensor::zeros({n, n}, a.dtype()));
  Tensor c = detail::target(out, {n, n}, a.dtype());
  visit_floating(op, a.dtype(), [&](auto t) {
    using T = decltype(t);
    const Operand<T> left(a), right(b);
    detail::symmetric_gemm<T>(n, k, left.matrix, right.matrix, c.data<T>(), n, out.adds());
  });
  return detail::deliver(op, out, c);
}

Tensor transpose(const Tensor& x) { return x.transpose(-2, -1); }

}  // namespace kindling
