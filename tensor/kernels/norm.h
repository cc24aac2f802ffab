// Batch normalisation and local response normalisation on rows of C channels.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

template <class T>
struct Pair {
  T first, second;
};

/// first[c] += sum over rows of f(r, c).first, second[c] += that of f(r, c).second. Short runs of rows are summed in T,
/// the runs in double: sums over a batch cancel (the gradient of a normalised value has mean 0), so their rounding
/// shows.
template <class F>
void sum_pairs(int64_t rows, int64_t C, double* first, double* second, F f) {
  using T = decltype(f(0, 0).first);
  constexpr int64_t kRun = 32, kChannels = 64;
  for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
    const int64_t r1 = r0 + kRun < rows ? r0 + kRun : rows;
    for (int64_t c0 = 0; c0 < C; c0 += kChannels) {
      const int64_t n = c0 + kChannels < C ? kChannels : C - c0;
      T a[kChannels] = {}, b[kChannels] = {};
      for (int64_t r = r0; r < r1; ++r)
#pragma GCC ivdep
        for (int64_t c = 0; c < n; ++c) {
          const auto pair = f(r, c0 + c);
          a[c] += pair.first;
          b[c] += pair.second;
        }
      for (int64_t c = 0; c < n; ++c) {
        first[c0 + c] += static_cast<double>(a[c]);
        second[c0 + c] += static_cast<double>(b[c]);
      }
    }
  }
}

/// sum[c] += sum over rows of d, squares[c] += that of d^2, with d = x[r, c] - mean[c].
template <class T>
void batch_norm_moments(int64_t rows, int64_t C, double* sum, double* squares, const T* x, const T* mean) {
  sum_pairs(rows, C, sum, squares, [=](int64_t r, int64_t c) {
    const T d = x[r * C + c] - mean[c];
    return Pair<T>{d, d * d};
  });
}

// In the kernels below the mean is taken away first. Folding it into the shift would save a subtraction and, where a
// channel's mean is many times its deviation, lose as many digits.

/// y[r, c] = (x[r, c] - mean[c]) * scale[c] + beta[c].
template <class T>
void batch_norm_y(int64_t rows, int64_t C, T* y, const T* x, const T* mean, const T* scale, const T* beta) {
  for (int64_t r = 0; r < rows; ++r, x += C, y += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) y[c] = (x[c] - mean[c]) * scale[c] + beta[c];
}

/// sum_product[c] += sum grad[r, c] (x[r, c] - mean[c]); sum_grad[c] += sum grad[r, c].
template <class T>
void batch_norm_sums(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad, const T* x,
                     const T* mean) {
  sum_pairs(rows, C, sum_product, sum_grad, [=](int64_t r, int64_t c) {
    const T g = grad[r * C + c];
    return Pair<T>{g * (x[r * C + c] - mean[c]), g};
  });
}

/// dx[r, c] = a[c] grad[r, c] + b[c] (x[r, c] - mean[c]) + d[c]: the form that
/// batch norm's gradient takes once its sums are known.
template <class T>
void batch_norm_dx(int64_t rows, int64_t C, T* dx, const T* grad, const T* x, const T* mean, const T* a, const T* b,
                   const T* d) {
  for (int64_t r = 0; r < rows; ++r, x += C, grad += C, dx += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) dx[c] = a[c] * grad[c] + b[c] * (x[c] - mean[c]) + d[c];
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
