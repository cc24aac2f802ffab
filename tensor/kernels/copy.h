// Copying and transposing blocks whose rows lie apart.
#pragma once

#include <cstdint>
#include <utility>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

/// to[r * ld_to + j] = from[r * ld_from + j] for r < rows and j < n.
///
/// Rows often have about ten elements, for which a call of memcpy costs more than the copy. So
/// whole vectors are copied first, then 16 bytes at a time. The last 16 bytes may write some
/// elements twice.
template <class T>
void copy_rows(int64_t rows, int64_t n, T* to, int64_t ld_to, const T* from, int64_t ld_from) {
  constexpr int64_t L = kLanes<T>, kPiece = 16 / static_cast<int64_t>(sizeof(T));
  for (int64_t r = 0; r < rows; ++r, to += ld_to, from += ld_from) {
    int64_t j = 0;
    for (; j + L <= n; j += L) store(to + j, load(from + j));
    for (; j + kPiece <= n; j += kPiece) __builtin_memcpy(to + j, from + j, 16);
    if (j < n && n >= kPiece)
      __builtin_memcpy(to + n - kPiece, from + n - kPiece, 16);
    else
      for (; j < n; ++j) to[j] = from[j];
  }
}

// Exchanges the off-diagonal halves of every square of 2 * Half x 2 * Half elements of two rows that lie Half apart:
// lanes whose number has the bit Half come from the other row.
template <class T, int Half, int... Lane>
inline __attribute__((always_inline)) void exchange_halves(typename Simd<T>::vector& a, typename Simd<T>::vector& b,
                                                           std::integer_sequence<int, Lane...>) {
  constexpr int L = kLanes<T>;
  const auto low = __builtin_shufflevector(a, b, ((Lane & Half) != 0 ? L + Lane - Half : Lane)...);
  b = __builtin_shufflevector(a, b, ((Lane & Half) != 0 ? L + Lane : Lane + Half)...);
  a = low;
}
template <class T, int Half>
inline __attribute__((always_inline)) void transpose_square(typename Simd<T>::vector (&row)[kLanes<T>]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i)
    if ((i & Half) == 0) exchange_halves<T, Half>(row[i], row[i + Half], std::make_integer_sequence<int, kLanes<T>>{});
  if constexpr (Half > 1) transpose_square<T, Half / 2>(row);
}

/// to[j * ld_to + r] = from[r * ld_from + j] for r < rows and j < n.
template <class T>
void transpose_rows(int64_t rows, int64_t n, T* to, int64_t ld_to, const T* from, int64_t ld_from) {
  constexpr int64_t L = kLanes<T>;
  int64_t first = 0;
  for (; first + L <= rows; first += L) {
    const T* block = from + first * ld_from;
    int64_t j = 0;
    for (; j + L <= n; j += L) {  // squares, in registers
      typename Simd<T>::vector row[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) row[i] = load(block + i * ld_from + j);
      transpose_square<T, L / 2>(row);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) store(to + (j + i) * ld_to + first, row[i]);
    }
    for (; j < n; ++j)
      for (int64_t i = 0; i < L; ++i) to[j * ld_to + first + i] = block[i * ld_from + j];
  }
  for (; first < rows; ++first)
    for (int64_t j = 0; j < n; ++j) to[j * ld_to + first] = from[first * ld_from + j];
}

}  // namespace
}  // namespace kindling::kernels
