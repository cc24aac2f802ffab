// A fully connected layer has as many weights as multiply-adds a sample, so with the samples of a batch it is the
// weights' way through memory that counts. A general GEMM copies the weights into panels before it multiplies; here
// only the samples are packed, and the weights, or their gradient, go through the tiles of kernels/tile.h as they lie,
// once. (For the input's gradient GEMM is as good: its sum runs across the weights' rows.)
#include <kindling/tensor/linear.h>

#include <algorithm>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/panels.h>

namespace kindling {
namespace {

using detail::Panels;

// With more samples there are multiply-adds enough to pay for packing the weights too. (Not tuned: at 128 samples,
// packing would be a tenth of the work.)
constexpr int64_t kMostSamples = 128;
// Rows of weights, or of their gradient, that a task works on: whole tiles of 8, 6 and 4 rows. Not tuned.
constexpr int64_t kBlockRows = 48;
// Elements that a tile of the product sums over before it is stored: its rows of weights (16 KiB of floats) stay in L1
// for all panels, and the panels in L2.
constexpr int64_t kDepth = 512;
// Elements of packed samples that stay in L2 while rows of the gradient go by.
constexpr int64_t kPackedElements = 48 << 10;
// Rows of weights often lie a power of two apart, in few sets of L1; these many have room there.
constexpr int64_t kMaxTileRows = 8;

// y^T = w x^T: rows of a tile are outputs, columns samples.
template <class T>
void multiply(int64_t N, int64_t I, int64_t O, T* y, const T* x, const T* w, const T* bias) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Panels panels(kernel, N);
  const Tensor packed = detail::pack_panels<T>(panels, {x, I, /*transposed=*/true}, I);
  const int64_t width = panels.width(), start = 0;
  const int64_t tile_rows = std::min<int64_t>(panels.max_rows, kMaxTileRows);
  parallel_for(O, kBlockRows, [&](int64_t begin, int64_t end) {
    Tensor buffer = Tensor::empty({end - begin, width}, dtype_of<T>());
    T* const yt = buffer.data<T>();
    for (int64_t k = 0; k < I; k += kDepth)
      for_each_piece(end - begin, tile_rows, [&](int64_t row, int64_t rows) {
        for (int64_t panel = 0; panel < panels.count; ++panel)
          kernel.product_tile(static_cast<int>(rows), panels.vectors,
                              {.a = w + (begin + row) * I + k,
                               .lda = I,
                               .segments = &start,
                               .segment_count = 1,
                               .depth = std::min(kDepth, I - k),
                               .b = packed.data<T>() + (panel * I + k) * panels.columns,
                               .bias = nullptr,
                               .c = yt + row * width + panel * panels.columns,
                               .ldc = width,
                               .columns = panels.columns,
                               .relu = false,
                               .add = k > 0});
      });
    kernel.transpose_rows(end - begin, N, y + begin, O, yt, width);
    for (int64_t n = 0; bias != nullptr && n < N; ++n)
      for (int64_t o = begin; o < end; ++o) y[n * O + o] += bias[o];
  });
}

// dw = [dw +] grad^T x: rows of a tile are outputs, columns inputs, and the sum runs over samples. Tile after tile
// along the rows, so that the gradient goes through memory in order.
template <class T>
void multiply_transposed(int64_t N, int64_t I, int64_t O, T* dw, bool add, const T* grad, const T* x) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Panels panels(kernel, I);
  const Tensor packed = detail::pack_panels<T>(panels, {x, I}, N);
  parallel_for(O, kBlockRows, [&](int64_t begin, int64_t end) {
    Tensor buffer = Tensor::empty({N, end - begin}, dtype_of<T>());
    kernel.copy_rows(N, end - begin, buffer.data<T>(), end - begin, grad + begin, O);
    const int64_t most = std::max<int64_t>(kPackedElements / (N * panels.columns), 1);
    for_each_piece(panels.count, most, [&](int64_t first, int64_t count) {
      for_each_piece(end - begin, panels.max_rows, [&](int64_t row, int64_t rows) {
        for (int64_t panel = first; panel < first + count; ++panel)
          kernel.outer_tile(static_cast<int>(rows), panels.vectors,
                            {.a = buffer.data<T>() + row,
                             .lda = end - begin,
                             .b = packed.data<T>() + panel * N * panels.columns,
                             .ldb = panels.columns,
                             .pixels = N,
                             .c = dw + (begin + row) * I + panel * panels.columns,
                             .ldc = I,
                             .columns = panels.used_columns(panel),
                             .add = add});
      });
    });
  });
}

// With nothing to sum over, matmul knows what to do.
bool has_few_samples(const Tensor& rows, int64_t I, int64_t O) {
  return rows.size(0) > 0 && rows.size(0) <= kMostSamples && I > 0 && O > 0;
}

}  // namespace

Tensor linear(const Tensor& x_any, const Tensor& w_any, const Tensor& bias_any) {
  check(x_any.rank() == 2 && w_any.rank() == 2 && x_any.size(1) == w_any.size(1), "linear", "input ", x_any.shape(),
        " and weight ", w_any.shape(), " do not fit");
  check_same_dtype("linear", x_any, w_any);
  const int64_t N = x_any.size(0), I = x_any.size(1), O = w_any.size(0);
  if (bias_any.defined()) {
    check(bias_any.shape() == Shape{O}, "linear", "bias must be [", O, "], got ", bias_any.shape(), ": weight ",
          w_any.shape());
    check_same_dtype("linear", x_any, bias_any);
  }
  if (!has_few_samples(x_any, I, O)) {
    Tensor y = matmul(x_any, transpose(w_any));
    if (bias_any.defined()) y.add_(bias_any);
    return y;
  }
  const Tensor x = x_any.contiguous(), w = w_any.contiguous();
  const Tensor bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
  Tensor y = Tensor::empty({N, O}, x.dtype());
  visit_floating("linear", x.dtype(), [&](auto t) {
    using T = decltype(t);
    multiply<T>(N, I, O, y.data<T>(), x.data<T>(), w.data<T>(), bias.defined() ? bias.data<T>() : nullptr);
  });
  return y;
}

Tensor linear_weight_grad(const Tensor& grad_any, const Tensor& x_any, const Out& out) {
  const char* const op = "linear_weight_grad";
  check(grad_any.rank() == 2 && x_any.rank() == 2 && grad_any.size(0) == x_any.size(0), op, "cannot multiply ",
        grad_any.shape(), " by ", x_any.shape());
  check_same_dtype(op, grad_any, x_any);
  const int64_t N = grad_any.size(0), O = grad_any.size(1), I = x_any.size(1);
  detail::check_out(op, out, {O, I}, grad_any.dtype(), detail::Layout::contiguous);
  if (!has_few_samples(grad_any, I, O)) return matmul(transpose(grad_any), x_any, out);
  const Tensor grad = grad_any.contiguous(), x = x_any.contiguous();
  Tensor dw = detail::target(out, {O, I}, grad.dtype());
  visit_floating(op, grad.dtype(), [&](auto t) {
    using T = decltype(t);
    multiply_transposed<T>(N, I, O, dw.data<T>(), out.adds(), grad.data<T>(), x.data<T>());
  });
  return detail::deliver(op, out, dw);
}

}  // namespace kindling
