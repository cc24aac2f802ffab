#include <kindling/compress/curvature.h>

#include <catch2/catch.hpp>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

Tensor positive_definite(int64_t n) {
  Rng rng(5);
  const Tensor a = random({2 * n, n}, rng);
  return matmul(transpose(a), a);
}

}  // namespace

TEST_CASE("factorise: H = R R' with R upper triangular, largest entries of the diagonal first") {
  const int64_t n = 130;  // more than one part of the parallel loop
  const Tensor h = positive_definite(n);
  const CurvatureFactor factor = factorise(h, 0);
  Tensor r = Tensor::zeros({n, n}, DType::f64), permuted = r.clone();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const int64_t from = factor.order[static_cast<size_t>(i)], to = factor.order[static_cast<size_t>(j)];
      permuted.at<double>({i, j}) = h.at<double>({from, to});
      if (j >= i) r.at<double>({i, j}) = factor.factor[static_cast<size_t>(i * n + j)];
    }
  check_close(matmul(r, transpose(r)), permuted, 1e-13);
  for (int64_t i = 1; i < n; ++i) CHECK(permuted.at<double>({i - 1, i - 1}) >= permuted.at<double>({i, i}));
}

TEST_CASE("factorise: damping is a share of the mean diagonal, and lets a singular H through") {
  const Tensor h = Tensor::from<double>({4, 4, 4, 4}, {2, 2});
  const CurvatureFactor factor = factorise(h, 0.5);  // [6 4; 4 6]
  CHECK(factor.diagonal[1] * factor.diagonal[1] == Approx(6));
  CHECK(factor.diagonal[0] * factor.diagonal[0] == Approx(6 - 16.0 / 6));
  CHECK(factorise(Tensor::zeros({3, 3}, DType::f64), 0.1).diagonal[0] > 0);
}

TEST_CASE("factorise: of a diagonal alone, the roots") {
  const CurvatureFactor factor = factorise(Tensor::from<double>({1, 9, 4}), 0);
  CHECK(factor.order == std::vector<int64_t>{1, 2, 0});
  CHECK(factor.diagonal == std::vector<double>{3, 2, 1});
  CHECK(factor.factor.empty());
}

TEST_CASE("factorise: mistakes") {
  check_throws([] { factorise(Tensor::zeros({2, 3}, DType::f64), 0.1); }, "factorise: needs [K, K] or [K], got [2, 3]");
  CHECK_THROWS_AS(factorise(Tensor::from<double>({1, NAN}), 0.1), Error);
}

TEST_CASE("factorise: same bits for any number of threads") {
  const Tensor h = positive_definite(150);
  check_same_bits_for_all_threads([&] { return Tensor::from(factorise(h, 0.01).factor); });
}
