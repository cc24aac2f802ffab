// OpenBLAS's matrix product: the reference beside gemm() of tensor/gemm.h, and what --conv im2col uses.
#pragma once

#include <cstdint>

namespace kindling::kernels {

/// c[m,n] = alpha op(a)[m,k] op(b)[k,n] + beta c, row-major, with leading dimensions in elements.
/// op transposes if asked; a is then stored as [k,m]. With beta = 0, c is only written. By OpenBLAS
/// on one thread. T is float or double.
template <class T>
void blas_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
               const T* b, int64_t ldb, T beta, T* c, int64_t ldc);

/// "OpenBLAS 0.3.21 ..." and the name of the kernels that it has chosen for this processor
/// ("SkylakeX").
const char* blas_version();
const char* blas_core();

}  // namespace kindling::kernels
