// Batch normalisation and local response normalisation on rows of C channels.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

/// total[c] += sum over rows of (x[r, c] - mean[c])^2.
template <class T>
void sum_square_distances(int64_t rows, int64_t C, T* total, const T* x, const T* mean) {
  for (int64_t r = 0; r < rows; ++r, x += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) total[c] += (x[c] - mean[c]) * (x[c] - mean[c]);
}

/// y[r, c] = x[r, c] * scale[c] + shift[c].
template <class T>
void scale_and_shift(int64_t rows, int64_t C, T* y, const T* x, const T* scale, const T* shift) {
  for (int64_t r = 0; r < rows; ++r, x += C, y += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) y[c] = x[c] * scale[c] + shift[c];
}

/// dbeta[c] += sum grad[r, c]; dgamma[c] += sum grad[r, c] (x[r, c] - mean[c]) inv_std[c].
template <class T>
void batch_norm_sums(int64_t rows, int64_t C, T* dgamma, T* dbeta, const T* grad, const T* x, const T* mean,
                     const T* inv_std) {
  for (int64_t r = 0; r < rows; ++r, x += C, grad += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) {
      dbeta[c] += grad[c];
      dgamma[c] += grad[c] * (x[c] - mean[c]) * inv_std[c];
    }
}

/// dx[r, c] = a[c] grad[r, c] + b[c] x[r, c] + d[c]: the form that batch norm's gradient takes once its sums are known.
template <class T>
void batch_norm_dx(int64_t rows, int64_t C, T* dx, const T* grad, const T* x, const T* a, const T* b, const T* d) {
  for (int64_t r = 0; r < rows; ++r, x += C, grad += C, dx += C)
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) dx[c] = a[c] * grad[c] + b[c] * x[c] + d[c];
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
