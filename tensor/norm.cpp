#include <kindling/tensor/norm.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/batch_norm_parts.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/rows.h>

namespace kindling {
namespace {

using detail::NormOperands;
using detail::RowBlocks;

}  // namespace

BatchNormStats batch_norm_stats(const Tensor& input, double eps) {
  check_floating("batch_norm", input.dtype());
  const RowBlocks rows("batch_norm", input);
  const Tensor x = input.contiguous().reshape({rows.count, rows.channels});
  // Moments about a number close to the mean, which they correct: var = E[d^2] - E[d]^2. The mean of some rows, from
  // everywhere, is close enough, and the whole is read once instead of twice.
  constexpr int64_t kSample = 64;
  const Tensor about = mean(x.slice(0, 0, rows.count, std::max<int64_t>(1, rows.count / kSample)), {0});
  Tensor partial = Tensor::zeros({rows.blocks(), 2, rows.channels}, DType::f64);
  visit_floating("batch_norm", x.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t block) {
      double* sums = partial.data<double>() + block * 2 * rows.channels;
      kernels::table<T>().batch_norm_moments(n, rows.channels, sums, sums + rows.channels,
                                             x.data<T>() + first * rows.channels, about.data<T>());
    });
  });
  const Tensor moments = mul(sum(partial, {0}), 1.0 / static_cast<double>(rows.count));
  const Tensor shift = moments.select(0, 0), variance = moments.select(0, 1) - square(shift);
  return {.mean = (about.to(DType::f64) + shift).to(x.dtype()), .inv_std = rsqrt(variance + eps).to(x.dtype())};
}

Tensor batch_norm_apply(const Tensor& input, const BatchNormStats& stats, const Tensor& gamma, const Tensor& beta,
                        Activation activation, const Out& out) {
  const RowBlocks rows("batch_norm", input);
  const NormOperands o("batch_norm", input, stats, gamma, beta, activation);
  detail::check_out("batch_norm", out, input.shape(), input.dtype(), detail::Layout::rows);
  Tensor y = detail::target(out, input.shape(), input.dtype());
  const int64_t ld_y = detail::row_stride(y);
  visit_floating("batch_norm", input.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t) {
      const int64_t at = first * rows.channels;
      kernels::table<T>().batch_norm_y(n, rows.channels, y.data<T>() + first * ld_y, ld_y, o.x.data<T>() + at,
                                       o.affine<T>(), out.adds());
    });
  });
  return detail::deliver("batch_norm", out, y);
}

BatchNormGrads batch_norm_grads(const Tensor& grad_any, const Tensor& input, const BatchNormStats& stats,
                                const Tensor& gamma, const Tensor& beta, Activation activation, const Out& out) {
  const RowBlocks rows("batch_norm_grads", input);
  check_same_dtype("batch_norm_grads", input, grad_any);
  check(grad_any.shape() == input.shape(), "batch_norm_grads", "gradient ", grad_any.shape(), " and input ",
        input.shape(), " differ");
  const NormOperands o("batch_norm_grads", input, stats, gamma, beta, activation);
  detail::check_out("batch_norm_grads", out, input.shape(), input.dtype(), detail::Layout::rows);
  const Tensor grad = detail::with_rows(grad_any);  // may be half of a concatenation's
  Tensor dx = detail::target(out.add ? Out() : out, input.shape(), input.dtype());
  const int64_t ld_grad = detail::row_stride(grad), ld_dx = detail::row_stride(dx), C = rows.channels;
  Tensor partial = Tensor::zeros({rows.blocks(), 2, C}, DType::f64);
  BatchNormGrads result;
  visit_floating("batch_norm_grads", input.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t block) {
      double* sums = partial.data<double>() + block * 2 * C;
      kernels::table<T>().batch_norm_sums(n, C, sums, sums + C, grad.data<T>() + first * ld_grad, ld_grad,
                                          o.x.data<T>() + first * C, o.affine<T>());
    });
    const detail::NormGradSums end(sum(partial, {0}), rows.count, stats, gamma);
    result.dgamma = end.dgamma;
    result.dbeta = end.dbeta;
    rows.for_each_block([&](int64_t first, int64_t n, int64_t) {
      kernels::table<T>().batch_norm_dx(n, C, dx.data<T>() + first * ld_dx, ld_dx, grad.data<T>() + first * ld_grad,
                                        ld_grad, o.x.data<T>() + first * C, o.affine<T>(), end.p.data<T>(),
                                        end.q.data<T>(), end.s.data<T>());
    });
  });
  result.dx = detail::deliver("batch_norm_grads", out, dx);
  return result;
}

Tensor channel_window_sum(const Tensor& input, int64_t size) {
  check(size >= 1 && size % 2 == 1, "channel_window_sum", "size must be odd, got ", size);
  const RowBlocks rows("channel_window_sum", input);
  const Tensor x = input.contiguous();
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating("channel_window_sum", x.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t) {
      for (int64_t r = first; r < first + n; ++r)
        kernels::table<T>().channel_window_sum(rows.channels, size / 2, y.data<T>() + r * rows.channels,
                                               x.data<T>() + r * rows.channels);
    });
  });
  return y;
}

Tensor local_response_norm(const Tensor& x, const LocalResponseNormOptions& o) {
  check(o.size >= 1 && o.size % 2 == 1, "local_response_norm", "size must be odd, got ", o.size);
  const Tensor scale = mul(channel_window_sum(square(x), o.size), o.alpha / static_cast<double>(o.size)) + o.k;
  return mul(x, pow(scale, -o.beta));
}

}  // namespace kindling
