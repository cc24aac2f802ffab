#include <kindling/tensor/matmul.h>

#include <algorithm>

#include <kindling/tensor/kernels/gemm.h>
#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

// A matrix as GEMM takes it: rows or columns contiguous.
struct Operand {
  Tensor tensor;
  bool transposed;
  int64_t ld;
};

Operand as_operand(const Tensor& x) {
  const int64_t rows = x.size(-2), cols = x.size(-1);
  const int64_t row_stride = x.strides()[x.rank() - 2], col_stride = x.strides()[x.rank() - 1];
  if ((col_stride == 1 || cols == 1) && row_stride >= cols) return {x, false, std::max<int64_t>(row_stride, 1)};
  if ((row_stride == 1 || rows == 1) && col_stride >= rows) return {x, true, std::max<int64_t>(col_stride, 1)};
  return {x.clone(), false, std::max<int64_t>(cols, 1)};
}

// The longer side of the result is cut into at most 16 blocks of at least 64, whatever the number of threads.
int64_t block_size(int64_t n) {
  constexpr int64_t kMaxBlocks = 16, kMinBlock = 64, kMultiple = 32;
  return round_up(std::max(kMinBlock, ceil_div(n, kMaxBlocks)), kMultiple);
}

// c = a b + scale c.
template <class T>
void multiply(const Tensor& any_a, const Tensor& any_b, T scale, T* pc) {
  const Operand a = as_operand(any_a), b = as_operand(any_b);
  const T *pa = a.tensor.data<T>(), *pb = b.tensor.data<T>();
  const int64_t m = any_a.size(0), n = any_b.size(1), k = any_a.size(1);
  const bool cut_rows = m >= n;
  parallel_for(cut_rows ? m : n, block_size(cut_rows ? m : n), [&](int64_t begin, int64_t end) {
    const int64_t row = cut_rows ? begin : 0, col = cut_rows ? 0 : begin;
    kernels::gemm<T>(a.transposed, b.transposed, cut_rows ? end - begin : m, cut_rows ? n : end - begin, k, T(1),
                     pa + row * (a.transposed ? 1 : a.ld), a.ld, pb + col * (b.transposed ? b.ld : 1), b.ld, scale,
                     pc + row * n + col, n);
  });
}

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
      multiply<T>(slice_a, slice_b, T(out.adds() ? 1 : 0), c.data<T>() + i * m * n);
    }
  });
  return detail::deliver("matmul", out, c);
}

Tensor transpose(const Tensor& x) { return x.transpose(-2, -1); }

}  // namespace kindling
