#include <kindling/tensor/norm.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/reduce.h>

namespace kindling {
namespace {

// Rows of a channels-last tensor are cut into blocks of this many elements, by the shape alone.
constexpr int64_t kBlockElements = 65536;

struct Rows {
  Rows(const char* op, const Tensor& x) : channels(x.rank() == 0 ? 0 : x.size(-1)) {
    check(channels > 0 && x.numel() > 0, op, "needs [..., C] with at least one element, got ", x.shape());
    count = x.numel() / channels;
    block = std::max<int64_t>(1, kBlockElements / channels);
  }
  int64_t blocks() const { return (count + block - 1) / block; }

  // Calls f(first row, rows, block number) on all threads.
  template <class F>
  void for_each_block(F f) const {
    parallel_for(blocks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) f(b * block, std::min(block, count - b * block), b);
    });
  }

  int64_t channels, count, block;
};

void check_channels(const char* op, const Tensor& x, const Tensor& per_channel, const char* name) {
  check_same_dtype(op, x, per_channel);
  check(per_channel.shape() == Shape{x.size(-1)}, op, name, " must be [", x.size(-1), "], got ", per_channel.shape(),
        ": input ", x.shape());
}

}  // namespace

BatchNormStats batch_norm_stats(const Tensor& input, double eps) {
  const Rows rows("batch_norm", input);
  const Tensor x = input.contiguous().reshape({rows.count, rows.channels});
  BatchNormStats stats{mean(x, {0}), {}};
  Tensor partial = Tensor::zeros({rows.blocks(), rows.channels}, x.dtype());
  visit_floating("batch_norm", x.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t block) {
      kernels::table<T>().sum_square_distances(n, rows.channels, partial.data<T>() + block * rows.channels,
                                               x.data<T>() + first * rows.channels, stats.mean.data<T>());
    });
  });
  stats.inv_std = rsqrt(mul(sum(partial, {0}), 1.0 / static_cast<double>(rows.count)) + eps);
  return stats;
}

Tensor batch_norm_apply(const Tensor& input, const BatchNormStats& stats, const Tensor& gamma, const Tensor& beta) {
  const Rows rows("batch_norm", input);
  check_channels("batch_norm", input, stats.mean, "mean");
  check_channels("batch_norm", input, stats.inv_std, "inv_std");
  check_channels("batch_norm", input, gamma, "weight");
  check_channels("batch_norm", input, beta, "bias");
  const Tensor x = input.contiguous();
  const Tensor scale = mul(gamma, stats.inv_std), shift = sub(beta, mul(stats.mean, scale));
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating("batch_norm", x.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t) {
      const int64_t at = first * rows.channels;
      kernels::table<T>().scale_and_shift(n, rows.channels, y.data<T>() + at, x.data<T>() + at, scale.data<T>(),
                                          shift.data<T>());
    });
  });
  return y;
}

BatchNormGrads batch_norm_grads(const Tensor& grad_any, const Tensor& input, const BatchNormStats& stats,
                                const Tensor& gamma) {
  const Rows rows("batch_norm_grads", input);
  check(grad_any.shape() == input.shape(), "batch_norm_grads", "gradient ", grad_any.shape(), " and input ",
        input.shape(), " differ");
  check_channels("batch_norm_grads", input, stats.mean, "mean");
  check_channels("batch_norm_grads", input, stats.inv_std, "inv_std");
  check_channels("batch_norm_grads", input, gamma, "weight");
  const Tensor x = input.contiguous(), grad = grad_any.contiguous();
  const Tensor mean = stats.mean.contiguous(), inv_std = stats.inv_std.contiguous();
  const int64_t C = rows.channels;
  Tensor partial = Tensor::zeros({rows.blocks(), 2, C}, x.dtype());
  BatchNormGrads result{Tensor::empty(x.shape(), x.dtype()), {}, {}};
  visit_floating("batch_norm_grads", x.dtype(), [&](auto t) {
    using T = decltype(t);
    rows.for_each_block([&](int64_t first, int64_t n, int64_t block) {
      T* sums = partial.data<T>() + block * 2 * C;
      kernels::table<T>().batch_norm_sums(n, C, sums, sums + C, grad.data<T>() + first * C, x.data<T>() + first * C,
                                          mean.data<T>(), inv_std.data<T>());
    });
    const Tensor sums = sum(partial, {0});
    result.dgamma = sums.select(0, 0);
    result.dbeta = sums.select(0, 1);
    // dx = a grad + b x + d with the means of grad and of grad xhat folded into b and d.
    const double scale = -1.0 / static_cast<double>(rows.count);
    const Tensor a = mul(gamma, stats.inv_std);
    const Tensor b = mul(mul(mul(a, stats.inv_std), result.dgamma), scale);
    const Tensor d = sub(mul(mul(a, result.dbeta), scale), mul(b, stats.mean));
    rows.for_each_block([&](int64_t first, int64_t n, int64_t) {
      kernels::table<T>().batch_norm_dx(n, C, result.dx.data<T>() + first * C, grad.data<T>() + first * C,
                                        x.data<T>() + first * C, a.data<T>(), b.data<T>(), d.data<T>());
    });
  });
  return result;
}

Tensor channel_window_sum(const Tensor& input, int64_t size) {
  check(size >= 1 && size % 2 == 1, "channel_window_sum", "size must be odd, got ", size);
  const Rows rows("channel_window_sum", input);
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
