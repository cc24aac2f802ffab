#include <kindling/tensor/norm_pool.h>

#include <kindling/tensor/batch_norm_parts.h>
#include <kindling/tensor/pool_bands.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/rows.h>

namespace kindling {
namespace {

using detail::NormOperands;
using detail::PoolGeometry;

// Sums [2, C] of g (x - mean) and of g, where g is the part of grad that ReLU lets through. The pixels of x that the
// pooling took are picked first.
template <class T>
Tensor sums_of(const PoolGeometry& g, const NormOperands& o, const T* grad, const uint8_t* argmax) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t row = g.y[2] * g.C, rows = g.N * g.y[1], block = std::max<int64_t>(detail::kBlockElements / row, 1);
  const int64_t blocks = ceil_div(rows, block);
  Tensor partial = Tensor::zeros({blocks, 2, g.C}, DType::f64);
  parallel_for(blocks, 1, [&](int64_t index, int64_t) {
    double* const sums = partial.data<double>() + index * 2 * g.C;
    Tensor picked = Tensor::empty({row}, dtype_of<T>());
    for (int64_t i = index * block; i < std::min((index + 1) * block, rows); ++i) {
      for (int64_t j = 0; j < g.y[2]; ++j)
        kernel.max_pool_pick_pixel(g.window(i / g.y[1], i % g.y[1], j), g.C, picked.data<T>() + j * g.C,
                                   argmax + i * row + j * g.C, o.x.data<T>());
      kernel.batch_norm_sums(g.y[2], g.C, sums, sums + g.C, grad + i * row, g.C, picked.data<T>(), o.affine<T>());
    }
  });
  return sum(partial, {0});
}

}  // namespace

MaxPool2dResult batch_norm_max_pool2d(const Tensor& input, const BatchNormStats& stats, const Tensor& gamma,
                                      const Tensor& beta, Activation activation, const Pool2dOptions& pool) {
  detail::RowBlocks("batch_norm", input);  // refuses an empty one
  const PoolGeometry g("max_pool2d", input.shape(), pool);
  detail::check_max_pool("max_pool2d", g);
  const NormOperands o("batch_norm", input, stats, gamma, beta, activation);
  MaxPool2dResult result{Tensor::empty(g.y, input.dtype()), Tensor::empty(g.y, DType::u8)};
  visit_floating("batch_norm", input.dtype(), [&](auto t) {
    using T = decltype(t);
    const auto normalise = [&](int64_t n, int64_t first, int64_t last, T* to) {
      kernels::table<T>().batch_norm_y((last - first) * g.W, g.C, to, g.C,
                                       o.x.data<T>() + (n * g.H + first) * g.W * g.C, o.affine<T>(), /*add=*/false);
    };
    detail::max_pool_by_bands<T>(g, result.values.data<T>(), result.argmax.data<uint8_t>(), normalise);
  });
  return result;
}

BatchNormGrads batch_norm_max_pool2d_grads(const Tensor& grad_any, const Tensor& argmax_any, const Tensor& input,
                                           const BatchNormStats& stats, const Tensor& gamma, const Tensor& beta,
                                           Activation activation, const Pool2dOptions& pool) {
  const detail::RowBlocks pixels("batch_norm_grads", input);
  const PoolGeometry g("batch_norm_grads", input.shape(), pool);
  detail::check_unpool("batch_norm_grads", grad_any, argmax_any, g);
  check_same_dtype("batch_norm_grads", input, grad_any);
  const NormOperands o("batch_norm_grads", input, stats, gamma, beta, activation);
  const Tensor grad = grad_any.contiguous(), argmax = argmax_any.contiguous();
  const detail::MaxUnpool unpool(g);
  // Of the unpooled gradient: a small share of L2, since as much of x and of dx passes by.
  constexpr int64_t kBandElements = 16384;
  const int64_t row = g.W * g.C, rows = g.N * g.H, band = std::max<int64_t>(kBandElements / row, 1);
  BatchNormGrads result{Tensor::empty(input.shape(), input.dtype()), {}, {}};
  visit_floating("batch_norm_grads", input.dtype(), [&](auto t) {
    using T = decltype(t);
    const Tensor sums = sums_of<T>(g, o, grad.data<T>(), argmax.data<uint8_t>());
    const detail::NormGradSums end(sums, pixels.count, stats, gamma);
    parallel_for(ceil_div(rows, band), 1, [&](int64_t index, int64_t) {
      const int64_t first = index * band, last = std::min(first + band, rows);
      Tensor unpooled = Tensor::empty({(last - first) * row}, dtype_of<T>());
      for (int64_t i = first; i < last; ++i)
        unpool.row<T>(i / g.H, i % g.H, unpooled.data<T>() + (i - first) * row, argmax.data<uint8_t>(), grad.data<T>());
      kernels::table<T>().batch_norm_dx((last - first) * g.W, g.C, result.dx.data<T>() + first * row, g.C,
                                        unpooled.data<T>(), g.C, o.x.data<T>() + first * row, o.affine<T>(),
                                        end.p.data<T>(), end.q.data<T>(), end.s.data<T>());
    });
    result.dgamma = end.dgamma;
    result.dbeta = end.dbeta;
  });
  return result;
}

}  // namespace kindling
