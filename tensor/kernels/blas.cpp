#include <kindling/tensor/kernels/blas.h>

#include <limits>
#include <type_traits>

#include <cblas.h>

#include <kindling/tensor/check.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling::kernels {
namespace {

CBLAS_TRANSPOSE transpose_flag(bool transpose) { return transpose ? CblasTrans : CblasNoTrans; }

}  // namespace

template <class T>
void blas_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
               const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  // Our loops give OpenBLAS one block per call from each of our threads; threads of its own would only fight with ours,
  // and its bits depend on how many it has. openblas_set_num_threads would set no more than OpenMP's number, for good.
  const OneOpenMpThread one;
  const auto narrow = [](int64_t value) {
    check(value <= std::numeric_limits<blasint>::max(), "blas_gemm", "a side of ", value,
          " is more than BLAS can count");
    return static_cast<blasint>(value);
  };
  const auto call = [&](auto function) {
    function(CblasRowMajor, transpose_flag(trans_a), transpose_flag(trans_b), narrow(m), narrow(n), narrow(k), alpha, a,
             narrow(lda), b, narrow(ldb), beta, c, narrow(ldc));
  };
  if constexpr (std::is_same_v<T, float>)
    call(cblas_sgemm);
  else
    call(cblas_dgemm);
}

template void blas_gemm(bool, bool, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t,
                        float, float*, int64_t);
template void blas_gemm(bool, bool, int64_t, int64_t, int64_t, double, const double*, int64_t, const double*, int64_t,
                        double, double*, int64_t);

const char* blas_version() { return openblas_get_config(); }
const char* blas_core() { return openblas_get_corename(); }

}  // namespace kindling::kernels
