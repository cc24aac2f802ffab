#include <kindling/tensor/kernels/blas.h>

#include <limits>

#include <omp.h>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/gemm.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("blas_gemm is alpha a b + beta c, for every transposition") {
  Rng rng(3);
  const int64_t m = 5, n = 6, k = 7;
  for (const bool trans_a : {false, true})
    for (const bool trans_b : {false, true})
      for (const double beta : {0.0, 1.0, 0.5}) {
        const Tensor a = random({trans_a ? k : m, trans_a ? m : k}, rng),
                     b = random({trans_b ? n : k, trans_b ? k : n}, rng);
        Tensor c = beta == 0 ? Tensor::full({m, n}, std::numeric_limits<double>::quiet_NaN(), DType::f64)
                             : random({m, n}, rng);
        const int64_t lda = a.size(1), ldb = b.size(1);
        Tensor product = Tensor::empty({m, n}, DType::f64);
        detail::naive_gemm<double>(m, n, k, {a.data<double>(), lda, trans_a}, {b.data<double>(), ldb, trans_b},
                                   product.data<double>(), n, /*add=*/false);
        const Tensor expected = beta == 0 ? 2 * product : 2 * product + beta * c;
        kernels::blas_gemm<double>(trans_a, trans_b, m, n, k, 2.0, a.data<double>(), lda, b.data<double>(), ldb, beta,
                                   c.data<double>(), n);
        check_close(c, expected, 1e-14);
      }
}

TEST_CASE("blas_gemm uses one thread, and leaves the caller's OpenMP setting as it is") {
  Rng rng(5);
  const int64_t n = 300;
  const Tensor a = random({n, n}, rng, DType::f32), b = random({n, n}, rng, DType::f32);
  const auto product = [&](int threads) {
    omp_set_num_threads(threads);
    Tensor c = Tensor::zeros({n, n});
    kernels::blas_gemm<float>(false, true, n, n, n, 1, a.data<float>(), n, b.data<float>(), n, 0, c.data<float>(), n);
    CHECK(omp_get_max_threads() == threads);
    return c;
  };
  const int before = omp_get_max_threads();
  const Tensor expected = product(1);
  for (const int threads : {2, 3, 4}) CHECK(bitwise_equal(product(threads), expected));
  omp_set_num_threads(before);
}

TEST_CASE("OpenBLAS says which it is") {
  CHECK(std::string(kernels::blas_version()).rfind("OpenBLAS", 0) == 0);
  CHECK_FALSE(std::string(kernels::blas_core()).empty());
}
