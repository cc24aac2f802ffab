// Softmax of one row.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

template <class T>
T largest(int64_t n, const T* x) {
  T best = x[0];
  for (int64_t i = 1; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

/// y_i = exp(x_i - max) / sum_j exp(x_j - max). n >= 1.
template <class T>
void softmax_row(int64_t n, T* y, const T* x) {
  const T shift = largest(n, x);
  T total = 0;
  for (int64_t i = 0; i < n; ++i) total += y[i] = std::exp(x[i] - shift);
  const T scale = T(1) / total;
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}

/// y_i = x_i - max - log sum_j exp(x_j - max). n >= 1.
template <class T>
void log_softmax_row(int64_t n, T* y, const T* x) {
  const T shift = largest(n, x);
  T total = 0;
  for (int64_t i = 0; i < n; ++i) total += std::exp(x[i] - shift);
  const T log_total = std::log(total);
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - shift) - log_total;
}

}  // namespace
}  // namespace kindling::kernels
