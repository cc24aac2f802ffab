// Sums and maxima of runs and of rows.
#pragma once

#include <cstdint>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

/// The naive loop: x_0 + x_1 + ... in order.
template <class T>
T naive_sum(int64_t n, const T* x) {
  T total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

/// The sum of n elements, by 32 running sums. So additions do not wait for each other, and less is
/// lost to rounding. The running sums are added in pairs at the end. The order depends on n alone.
template <class T>
T sum(int64_t n, const T* x) {
  constexpr int64_t kSums = 32;
  T sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int64_t j = 0; j < kSums; ++j) sums[j] += x[i + j];
  for (int64_t j = 0; i + j < n; ++j) sums[j] += x[i + j];
  for (int64_t width = kSums / 2; width > 0; width /= 2)
    for (int64_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  return sums[0];
}

/// total[j] += sum over rows of x[r * ld + j], j in [0, n).
template <class T>
void sum_rows(int64_t rows, int64_t n, T* total, const T* x, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * ld;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) total[j] += row[j];
  }
}

/// Sum of a_i b_i in double, in order of 16 running sums.
template <class T>
double dot(int64_t n, const T* a, const T* b) {
  constexpr int64_t kSums = 16;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int64_t j = 0; j < kSums; ++j) sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  for (int64_t j = 0; i + j < n; ++j) sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  double total = 0;
  for (int64_t j = 0; j < kSums; ++j) total += sums[j];
  return total;
}

/// The largest of x[0], x[stride], ... and the index of the first one that equals it. NaN counts as
/// largest. n >= 1.
template <class T>
int64_t argmax(int64_t n, const T* x, int64_t stride) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i) {
    const T value = x[i * stride], largest = x[best * stride];
    if (value > largest || (value != value && largest == largest)) best = i;
  }
  return best;
}

}  // namespace
}  // namespace kindling::kernels
