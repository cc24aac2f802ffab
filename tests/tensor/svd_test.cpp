#include <kindling/tensor/svd.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/matmul.h>

using namespace kindling;
using Catch::Matchers::Contains;

namespace {

Tensor identity(int64_t n) {
  Tensor x = Tensor::zeros({n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) x.at<double>({i, i}) = 1;
  return x;
}

}  // namespace

TEST_CASE("svd: orthonormal factors whose product is the matrix, wide, tall and strided") {
  const Shape shape = GENERATE(Shape{5, 9}, Shape{9, 5}, Shape{4, 4}, Shape{1, 3}, Shape{70, 130});
  Rng rng(1);
  const bool transposed = GENERATE(false, true);
  Tensor x = Tensor::normal(transposed ? Shape{shape[1], shape[0]} : shape, 0, 1, rng);
  if (transposed) x = x.transpose();
  const auto [u, s, vt] = svd(x);
  const int64_t k = std::min(shape[0], shape[1]);
  REQUIRE(u.shape() == Shape{shape[0], k});
  REQUIRE(vt.shape() == Shape{k, shape[1]});
  CHECK(std::is_sorted(s.rbegin(), s.rend()));
  CHECK(s.back() >= 0);
  Tensor scaled = vt.clone();
  for (int64_t i = 0; i < k; ++i) scaled.select(0, i).mul_(s[static_cast<size_t>(i)]);
  CHECK(relative_distance(matmul(u, scaled), x.to(DType::f64)) < 1e-13);
  CHECK(relative_distance(matmul(u.transpose(), u), identity(k)) < 1e-13);
  CHECK(relative_distance(matmul(vt, vt.transpose()), identity(k)) < 1e-13);
}

TEST_CASE("svd: the same bits on any number of threads") {
  Rng rng(1);
  const Tensor x = Tensor::normal({150, 200}, 0, 1, rng);
  const auto on = [&](int threads) {
    const ThreadsGuard guard(threads);
    return svd(x).u;
  };
  CHECK(bitwise_equal(on(1), on(4)));
}

TEST_CASE("svd: errors") {
  CHECK_THROWS_WITH(svd(Tensor::zeros({3})), Contains("needs a matrix, got [3]"));
  CHECK_THROWS_WITH(svd(Tensor::zeros({0, 3})), Contains("needs a matrix, got [0, 3]"));
  CHECK_THROWS_WITH(svd(Tensor::full({2, 2}, NAN)), Contains("holds a NaN or Inf"));
}
