// Batch normalisation and local response normalisation on rows of C channels.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

/// What normalises: y = (x - mean) * scale + beta per channel, then perhaps ReLU.
template <class T>
struct Affine {
  const T *mean, *scale, *beta;
  bool relu;
};

namespace {  // a copy of its own for each instruction set: see table.inc

// The naive loops, which are also the contracts of the kernels of the same names below.

/// sum[c] += sum over rows of d, squares[c] += that of d^2, with d = x[r, c] - mean[c].
template <class T>
void naive_batch_norm_moments(int64_t rows, int64_t C, double* sum, double* squares, const T* x, const T* mean) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < C; ++c) {
      const auto d = static_cast<double>(x[r * C + c] - mean[c]);
      sum[c] += d;
      squares[c] += d * d;
    }
}

/// y[r, c] = [y[r, c] +] z or its ReLU, with z = (x[r, c] - mean[c]) * scale[c] + beta[c]. Rows of
/// y lie `ld_y` apart.
template <class T>
void naive_batch_norm_y(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>& a, bool add) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < C; ++c) {
      const T z = (x[r * C + c] - a.mean[c]) * a.scale[c] + a.beta[c], result = a.relu && z < 0 ? T(0) : z;
      y[r * ld_y + c] = add ? y[r * ld_y + c] + result : result;
    }
}

/// What ReLU, if there is one, lets through of the gradient: g where z > 0, else 0. From x again,
/// as reading y would cost more than computing it.
template <class T>
T naive_passed(T grad, T x, int64_t c, const Affine<T>& a) {
  return !a.relu || (x - a.mean[c]) * a.scale[c] + a.beta[c] > 0 ? grad : T(0);
}

/// With g the part of grad that ReLU lets through:
/// sum_product[c] += sum g[r, c] (x[r, c] - mean[c]); sum_grad[c] += sum g[r, c]. Rows of grad lie
/// `ld_grad` apart.
template <class T>
void naive_batch_norm_sums(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad,
                           int64_t ld_grad, const T* x, const Affine<T>& a) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < C; ++c) {
      const auto g = static_cast<double>(naive_passed(grad[r * ld_grad + c], x[r * C + c], c, a));
      sum_product[c] += g * static_cast<double>(x[r * C + c] - a.mean[c]);
      sum_grad[c] += g;
    }
}

/// dx[r, c] = p[c] g[r, c] + q[c] (x[r, c] - mean[c]) + s[c]. This is batch normalisation's
/// gradient, once its sums are known; g as above. Rows of dx lie `ld_dx` apart; dx may be grad.
template <class T>
void naive_batch_norm_dx(int64_t rows, int64_t C, T* dx, int64_t ld_dx, const T* grad, int64_t ld_grad, const T* x,
                         const Affine<T>& a, const T* p, const T* q, const T* s) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < C; ++c)
      dx[r * ld_dx + c] =
          p[c] * naive_passed(grad[r * ld_grad + c], x[r * C + c], c, a) + q[c] * (x[r * C + c] - a.mean[c]) + s[c];
}

/// g[r, c] = grad[r, c] where y[r, c] > 0, else 0; total[c] += sum g[r, c]. Rows of g lie
/// `ld_g` apart, those of grad `ld_grad`, those of y `ld_y`; g may be grad.
template <class T>
void naive_relu_bias_grad(int64_t rows, int64_t C, T* g, int64_t ld_g, double* total, const T* grad, int64_t ld_grad,
                          const T* y, int64_t ld_y) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < C; ++c) {
      g[r * ld_g + c] = y[r * ld_y + c] > 0 ? grad[r * ld_grad + c] : T(0);
      total[c] += static_cast<double>(g[r * ld_g + c]);
    }
}

// The fast ones go through rows in tiles, so that sums stay in registers and rows are read in long pieces.

/// A number of vectors, as a type.
template <int N>
struct VectorCount {};

/// Cuts rows of C channels into tiles of a few rows and a few vectors, and calls
/// f(VectorCount<N>, first row, last row, first channel, n) for each. So sums over a tile's rows
/// can stay in registers, while rows are read in long pieces. n is the number of channels in a
/// vector: fewer than it has lanes for the last ones, with N = 1.
template <class T, class F>
inline __attribute__((always_inline)) void for_each_tile(int64_t rows, int64_t C, F f) {
  // 64 floats with AVX-512 and AVX2: a network with batch normalisation took 1.05 times as long with pieces of 16
  // floats of a row, though sums of 64 fill more than AVX2's 16 registers.
  constexpr int64_t kRows = 32, kMost = KINDLING_VECTOR_BYTES == 64 ? 4 : 8;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t end = r + kRows < rows ? r + kRows : rows;
    int64_t c = 0;
    for (; c + kMost * kLanes<T> <= C; c += kMost * kLanes<T>) f(VectorCount<kMost>{}, r, end, c, int64_t{kLanes<T>});
    for (; c + kLanes<T> <= C; c += kLanes<T>) f(VectorCount<1>{}, r, end, c, int64_t{kLanes<T>});
    const int64_t left = C - c;
    if (left >= kLanes<T>) __builtin_unreachable();  // so that f has no case of a whole vector there
    if (left > 0) f(VectorCount<1>{}, r, end, c, left);
  }
}

/// total[j] += v[j] for the first n lanes. The sums of tiles are added in double: sums over a batch
/// cancel (the gradient of a normalised value has mean 0), so rounding would show.
template <class T>
inline __attribute__((always_inline)) void add_lanes(double* total, int64_t n, typename Simd<T>::vector v) {
  T lanes[kLanes<T>];
  store(lanes, v);
  for (int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(lanes[j]);
}

/// Two sums over rows for each channel: f(row, channel, n, a, b) adds a vector to each.
template <class T, class F>
inline __attribute__((always_inline)) void sum_pairs(int64_t rows, int64_t C, double* first, double* second, F f) {
  using V = typename Simd<T>::vector;
  for_each_tile<T>(
      rows,
      C, [=]<int N>(VectorCount<N>, int64_t begin, int64_t end, int64_t c, int64_t n) __attribute__((always_inline)) {
        V a[N] = {}, b[N] = {};
        for (int64_t r = begin; r < end; ++r)
#pragma GCC unroll 8
          for (int v = 0; v < N; ++v) f(r, c + v * kLanes<T>, n, a[v], b[v]);
        for (int v = 0; v < N; ++v) {
          add_lanes<T>(first + c + v * kLanes<T>, n, a[v]);
          add_lanes<T>(second + c + v * kLanes<T>, n, b[v]);
        }
      });
}

/// f(row, channel, n) for every vector, channels of a tile's rows together.
template <class T, class F>
inline __attribute__((always_inline)) void for_each_vector_of_rows(int64_t rows, int64_t C, F f) {
  for_each_tile<T>(
      rows,
      C, [=]<int N>(VectorCount<N>, int64_t begin, int64_t end, int64_t c, int64_t n) __attribute__((always_inline)) {
        for (int64_t r = begin; r < end; ++r)
#pragma GCC unroll 8
          for (int v = 0; v < N; ++v) f(r, c + v * kLanes<T>, n);
      });
}

template <class T>
void batch_norm_moments(int64_t rows, int64_t C, double* sum, double* squares, const T* x, const T* mean) {
  using V = typename Simd<T>::vector;
  sum_pairs<T>(
      rows, C, sum,
      squares, [=](int64_t r, int64_t c, int64_t n, V & total, V & square) __attribute__((always_inline)) {
        const V d = load_block(x + r * C + c, n) - load_block(mean + c, n);
        total += d;
        square += d * d;
      });
}

// In the kernels below the mean is taken away first. Folding it into the shift would save a subtraction and, where a
// channel's mean is many times its deviation, lose as many digits.

template <bool Relu, bool Add, class T>
void batch_norm_y_as(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>& a) {
  using V = typename Simd<T>::vector;
  const T *mean = a.mean, *scale = a.scale, *beta = a.beta;
  for_each_vector_of_rows<T>(
      rows, C, [=](int64_t r, int64_t c, int64_t n) __attribute__((always_inline)) {
        const V z = (load_block(x + r * C + c, n) - load_block(mean + c, n)) * load_block(scale + c, n) +
                    load_block(beta + c, n);
        const V result = Relu ? relu_of(z) : z;
        T* const to = y + r * ld_y + c;
        store_block(to, n, Add ? load_block(to, n) + result : result);
      });
}
template <class T>
void batch_norm_y(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>& a, bool add) {
  const auto run = a.relu ? (add ? batch_norm_y_as<true, true, T> : batch_norm_y_as<true, false, T>)
                          : (add ? batch_norm_y_as<false, true, T> : batch_norm_y_as<false, false, T>);
  run(rows, C, y, ld_y, x, a);
}

// naive_passed, with d = x - mean.
template <bool Relu, class V>
inline __attribute__((always_inline)) V passed(V grad, V d, V scale, V beta) {
  if constexpr (Relu) return d * scale + beta > V{} ? grad : V{};
  return grad;
}

template <bool Relu, class T>
void batch_norm_sums_as(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, int64_t ld_grad,
                        const T* x, const Affine<T>& a) {
  using V = typename Simd<T>::vector;
  const T *mean = a.mean, *scale = a.scale, *beta = a.beta;
  sum_pairs<T>(
      rows, C, sum_product,
      sum_grad, [=](int64_t r, int64_t c, int64_t n, V & product, V & total) __attribute__((always_inline)) {
        const V d = load_block(x + r * C + c, n) - load_block(mean + c, n);
        const V g =
            passed<Relu>(load_block(grad + r * ld_grad + c, n), d, load_block(scale + c, n), load_block(beta + c, n));
        product += g * d;
        total += g;
      });
}
template <class T>
void batch_norm_sums(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, int64_t ld_grad,
                     const T* x, const Affine<T>& a) {
  a.relu ? batch_norm_sums_as<true>(rows, C, sum_product, sum_grad, grad, ld_grad, x, a)
         : batch_norm_sums_as<false>(rows, C, sum_product, sum_grad, grad, ld_grad, x, a);
}

template <bool Relu, class T>
void batch_norm_dx_as(int64_t rows, int64_t C, T* dx, int64_t ld_dx, const T* grad, int64_t ld_grad, const T* x,
                      const Affine<T>& a, const T* p, const T* q, const T* s) {
  using V = typename Simd<T>::vector;
  const T *mean = a.mean, *scale = a.scale, *beta = a.beta;
  for_each_vector_of_rows<T>(
      rows, C, [=](int64_t r, int64_t c, int64_t n) __attribute__((always_inline)) {
        const V d = load_block(x + r * C + c, n) - load_block(mean + c, n);
        const V g =
            passed<Relu>(load_block(grad + r * ld_grad + c, n), d, load_block(scale + c, n), load_block(beta + c, n));
        store_block(dx + r * ld_dx + c, n, load_block(p + c, n) * g + load_block(q + c, n) * d + load_block(s + c, n));
      });
}
template <class T>
void batch_norm_dx(int64_t rows, int64_t C, T* dx, int64_t ld_dx, const T* grad, int64_t ld_grad, const T* x,
                   const Affine<T>& a, const T* p, const T* q, const T* s) {
  a.relu ? batch_norm_dx_as<true>(rows, C, dx, ld_dx, grad, ld_grad, x, a, p, q, s)
         : batch_norm_dx_as<false>(rows, C, dx, ld_dx, grad, ld_grad, x, a, p, q, s);
}

template <class T>
void relu_bias_grad(int64_t rows, int64_t C, T* g, int64_t ld_g, double* total, const T* grad, int64_t ld_grad,
                    const T* y, int64_t ld_y) {
  using V = typename Simd<T>::vector;
  for_each_tile<T>(
      rows,
      C, [=]<int N>(VectorCount<N>, int64_t begin, int64_t end, int64_t c, int64_t n) __attribute__((always_inline)) {
        V sums[N] = {};
        for (int64_t r = begin; r < end; ++r)
#pragma GCC unroll 8
          for (int v = 0; v < N; ++v) {
            const int64_t at = c + v * kLanes<T>;
            const V from = load_block(grad + r * ld_grad + at, n);
            const V kept = load_block(y + r * ld_y + at, n) > V{} ? from : V{};
            sums[v] += kept;
            store_block(g + r * ld_g + at, n, kept);
          }
        for (int v = 0; v < N; ++v) add_lanes<T>(total + c + v * kLanes<T>, n, sums[v]);
      });
}

/// y[c] = sum of x[c'] for |c' - c| <= half, channels outside [0, C) left out.
template <class T>
void channel_window_sum(int64_t C, int64_t half, T* y, const T* x) {
  for (int64_t c = 0; c < C; ++c) {
    T total = 0;
    const int64_t first = c < half ? 0 : c - half, last = c + half < C ? c + half : C - 1;
    for (int64_t i = first; i <= last; ++i) total += x[i];
    y[c] = total;
  }
}

}  // namespace
}  // namespace kindling::kernels
