// Copying blocks whose rows lie apart.
#pragma once

#include <cstdint>

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

}  // namespace
}  // namespace kindling::kernels
