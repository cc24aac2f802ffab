#include <kindling/tensor/svd.h>

#include <algorithm>

#include <kindling/tensor/kernels/parallel.h>

// OpenBLAS brings LAPACK, but Debian's package of it no header for it.
extern "C" void dgesdd_(const char* job, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
                        const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork,
                        int* info);

namespace kindling {

Svd svd(const Tensor& x) {
  check(x.rank() == 2 && x.numel() > 0, "svd", "needs a matrix, got ", x.shape());
  if (!all_finite(x)) throw Error("svd: the matrix holds a NaN or Inf");
  const OneOpenMpThread one;  // the bits depend on the number
  const auto rows = static_cast<int>(x.size(0)), columns = static_cast<int>(x.size(1)), k = std::min(rows, columns);
  // LAPACK's matrices go down the columns: it sees A' = V diag(s) U'.
  Tensor a = x.to(DType::f64).clone();
  Svd result{.u = Tensor::empty({rows, k}, DType::f64), .s = {}, .vt = Tensor::empty({k, columns}, DType::f64)};
  result.s.resize(static_cast<size_t>(k));
  std::vector<int> integers(8 * static_cast<size_t>(k));
  std::vector<double> work(1);
  int info = 0;
  for (int length = -1; info == 0; length = static_cast<int>(work.size())) {  // -1 asks for the length of `work`
    dgesdd_("S", &columns, &rows, a.data<double>(), &columns, result.s.data(), result.vt.data<double>(), &columns,
            result.u.data<double>(), &k, work.data(), &length, integers.data(), &info);
    if (length > 0) break;
    work.resize(static_cast<size_t>(work[0]));
  }
  if (info != 0) throw Error("svd: LAPACK's dgesdd ends with " + std::to_string(info));
  return result;
}

}  // namespace kindling
