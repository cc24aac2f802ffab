// The matrix product on pointers, on the micro-kernels of kernels/tile.h. Internal to tensor/.
#pragma once

#include <cstdint>

namespace kindling::detail {

/// Element [i, j] is data[i * ld + j], or data[j * ld + i] if `transposed`.
template <class T>
struct Matrix {
  const T* data;
  int64_t ld;
  bool transposed = false;

  T at(int64_t i, int64_t j) const { return transposed ? data[j * ld + i] : data[i * ld + j]; }
  /// What begins at [i, j].
  Matrix from(int64_t i, int64_t j) const { return {data + (transposed ? j * ld + i : i * ld + j), ld, transposed}; }
};

/// c[m,n] = [c +] a[m,k] b[k,n], with ldc elements from row to row of c. On all threads. The bits
/// of an element depend only on its row of a, its column of b and the instruction set. T is float
/// or double.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add);

/// The same for square matrices whose product is known to be symmetric, added to a symmetric c:
/// what lies above the diagonal is computed, and then copied below it. Saves up to half of the
/// work. Squares on the diagonal, as wide as a tile, are computed whole; two elements that should
/// be equal may differ there by rounding.
template <class T>
void symmetric_gemm(int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add);

/// The definition, as three loops: the reference for gemm.
template <class T>
void naive_gemm(int64_t m, int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      T total = add ? c[i * ldc + j] : T(0);
      for (int64_t l = 0; l < k; ++l) total += a.at(i, l) * b.at(l, j);
      c[i * ldc + j] = total;
    }
}

}  // namespace kindling::detail
