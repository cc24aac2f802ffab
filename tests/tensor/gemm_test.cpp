#include <kindling/tensor/gemm.h>

#include <array>
#include <type_traits>
#include <vector>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 2e-6 : 4e-15;

// Sides below, at and above those of tiles, panels, blocks and pieces of k.
template <class T>
void check_gemm() {
  const Poison poison;
  Rng rng(6);
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{{1, 1, 1},
                                                                   {2, 3, 257},
                                                                   {23, 17, 5},
                                                                   {24, 64, 256},
                                                                   {65, 130, 33},
                                                                   {300, 70, 129},
                                                                   {70, 300, 513},
                                                                   {70, 50, 1100},
                                                                   {400, 130, 1100}})
    for (const bool trans_a : {false, true})
      for (const bool trans_b : {false, true})
        for (const bool add : {false, true}) {
          INFO(m << " x " << n << " x " << k << ", " << trans_a << trans_b << add);
          const int64_t lda = (trans_a ? m : k) + 1, ldb = (trans_b ? k : n) + 2, ldc = n + 3;
          // All positive, so that no sum cancels.
          const auto positive = [&](int64_t rows, int64_t ld) {
            return Tensor::uniform({rows, ld}, 0, 1, rng, dtype_of<T>());
          };
          const Tensor a = positive(trans_a ? k : m, lda), b = positive(trans_b ? n : k, ldb);
          const detail::Matrix<T> left{a.data<T>(), lda, trans_a}, right{b.data<T>(), ldb, trans_b};
          Tensor c = positive(m, ldc), expected = c.clone();
          detail::naive_gemm<T>(m, n, k, left, right, expected.data<T>(), ldc, add);
          detail::gemm<T>(m, n, k, left, right, c.data<T>(), ldc, add);
          check_close(c.slice(1, 0, n), expected.slice(1, 0, n), kTolerance<T>);
          CHECK(bitwise_equal(c.slice(1, n, ldc), expected.slice(1, n, ldc)));  // nothing written beside it
        }
}

}  // namespace

TEST_CASE("gemm is the three loops, for every transposition and instruction set") {
  for_each_isa(check_gemm<float>);
  for_each_isa(check_gemm<double>);
}

TEST_CASE("symmetric_gemm is gemm, for every instruction set, and its result equals its transpose") {
  for_each_isa([] {
    const Poison poison;
    Rng rng(7);
    for (const auto& [n, k] : std::vector<std::array<int64_t, 2>>{{1, 1}, {5, 3}, {64, 16}, {65, 300}, {200, 70}})
      for (const bool add : {false, true}) {
        INFO(n << " x " << k << ", " << add);
        const int64_t ldc = n + 3;
        const Tensor x = Tensor::uniform({n, k}, 0, 1, rng);
        const detail::Matrix<float> left{x.data<float>(), k}, right{x.data<float>(), k, /*transposed=*/true};
        Tensor c = Tensor::full({n, ldc}, 2), expected = c.clone();
        detail::gemm<float>(n, n, k, left, right, expected.data<float>(), ldc, add);
        detail::symmetric_gemm<float>(n, k, left, right, c.data<float>(), ldc, add);
        CHECK(bitwise_equal(c, expected));
        const Tensor square = c.slice(1, 0, n);
        CHECK(bitwise_equal(square.contiguous(), square.transpose().contiguous()));
      }
  });
}

TEST_CASE("gemm of nothing is zero, or what was there") {
  Tensor c = Tensor::full({2, 3}, 7, DType::f64);
  const detail::Matrix<double> none{nullptr, 1};
  detail::gemm<double>(2, 3, 0, none, none, c.data<double>(), 3, /*add=*/true);
  CHECK(c.to_vector<double>() == std::vector<double>(6, 7));
  detail::gemm<double>(2, 3, 0, none, none, c.data<double>(), 3, /*add=*/false);
  CHECK(c.to_vector<double>() == std::vector<double>(6, 0));
  detail::gemm<double>(0, 3, 4, none, none, nullptr, 3, /*add=*/false);
  c.fill_(7);
  detail::symmetric_gemm<double>(2, 0, none, none, c.data<double>(), 3, /*add=*/false);
  CHECK(c.to_vector<double>() == std::vector<double>{0, 0, 7, 0, 0, 7});
}

TEST_CASE("gemm gives the same bits on any number of threads, and for some of the rows alone") {
  for_each_isa([] {
    for (const DType dtype : {DType::f32, DType::f64})
      visit_floating("gemm", dtype, [](auto t) {
        using T = decltype(t);
        Rng rng(7);
        const int64_t m = 1030, n = 110, k = 1300;
        const Tensor a = random({k, m}, rng, dtype_of<T>()), b = random({n, k}, rng, dtype_of<T>());
        const auto product = [&](int64_t first, int64_t rows) {
          Tensor c = Tensor::empty({rows, n}, dtype_of<T>());
          const detail::Matrix<T> left{a.data<T>(), m, true}, right{b.data<T>(), k, true};
          detail::gemm<T>(rows, n, k, left.from(first, 0), right, c.data<T>(), n, /*add=*/false);
          return c;
        };
        check_same_bits_for_all_threads([&] { return product(0, m); });
        CHECK(bitwise_equal(product(100, 57), product(0, m).slice(0, 100, 157)));  // in other blocks and tiles
      });
  });
}
