// Matrix products on pointers: y = alpha op(a) op(b) + beta y.
#pragma once

#include <cstdint>

namespace kindling::kernels {

/// c[m,n] = alpha op(a)[m,k] op(b)[k,n] + beta c, row-major, with leading dimensions in elements.
/// op transposes if asked; a is then stored as [k,m]. With beta = 0, c is only written. By OpenBLAS
/// on one thread. T is float or double.
template <class T>
void gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc);

/// The definition, as three loops: the reference for gemm.
template <class T>
void naive_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      T total = 0;
      for (int64_t l = 0; l < k; ++l)
        total += (trans_a ? a[l * lda + i] : a[i * lda + l]) * (trans_b ? b[j * ldb + l] : b[l * ldb + j]);
      c[i * ldc + j] = alpha * total + (beta == T(0) ? T(0) : beta * c[i * ldc + j]);
    }
}

/// "OpenBLAS 0.3.21 ..." and the name of the kernels that it has chosen for this processor
/// ("SkylakeX").
const char* blas_version();
const char* blas_core();

}  // namespace kindling::kernels
