#include <kindling/tensor/matmul.h>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/gemm.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

Tensor naive(const Tensor& a, const Tensor& b) {
  const int64_t m = a.size(0), n = b.size(1), k = a.size(1);
  Tensor c = Tensor::empty({m, n}, DType::f64);
  const Tensor left = a.to(DType::f64).contiguous(), right = b.to(DType::f64).contiguous();
  detail::naive_gemm<double>(m, n, k, {left.data<double>(), k}, {right.data<double>(), n}, c.data<double>(), n,
                             /*add=*/false);
  return c;
}

}  // namespace

TEST_CASE("matmul is the definition, for every layout of its operands") {
  const Poison poison;
  Rng rng(1);
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
           {1, 1, 1}, {3, 5, 7}, {130, 66, 40}, {64, 200, 33}, {1, 100, 300}, {257, 1, 9}}) {
    INFO(m << " x " << k << " x " << n);
    const Tensor a = random({m, k}, rng), b = random({k, n}, rng), expected = naive(a, b);
    const Tensor a_transposed = a.transpose().contiguous().transpose(),
                 b_transposed = b.transpose().contiguous().transpose();
    for (const Tensor& left : {a, a_transposed, strided(a)})
      for (const Tensor& right : {b, b_transposed, strided(b)}) check_close(matmul(left, right), expected, 1e-13);
    check_close(matmul(a.to(DType::f32), b.to(DType::f32)), expected, 1e-5);
    check_same_bits_for_all_threads([&] { return matmul(a, b); });
  }
}

TEST_CASE("matmul broadcasts leading axes") {
  Rng rng(2);
  const Tensor a = random({2, 1, 3, 4}, rng), b = random({5, 4, 6}, rng), c = matmul(a, b);
  REQUIRE(c.shape() == Shape{2, 5, 3, 6});
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 5; ++j)
      check_close(c.select(0, i).select(0, j), naive(a.select(0, i).select(0, 0), b.select(0, j)), 1e-14);
}

TEST_CASE("matmul takes rows and columns that share memory") {
  Rng rng(4);
  const Tensor b = random({4, 5}, rng), row = random({1, 4}, rng), column = random({3, 1}, rng);
  const Tensor windows = random({6}, rng).with_layout({3, 4}, {1, 1}, 0);
  for (const Tensor& a : {windows, row.broadcast_to({3, 4}), column.broadcast_to({3, 4})}) {
    check_close(matmul(a, b), naive(a, b), 1e-14);
    check_close(matmul(b.transpose(), a.transpose()), naive(a, b).transpose(), 1e-14);
  }
}

TEST_CASE("matmul of nothing is zero, or empty") {
  CHECK(matmul(Tensor::empty({2, 0}), Tensor::empty({0, 3})).to_vector<float>() == std::vector<float>(6, 0.f));
  CHECK(matmul(Tensor::empty({0, 2}), Tensor::empty({2, 3})).shape() == Shape{0, 3});
}

TEST_CASE("matmul adds the product to a tensor, for every layout of its operands") {
  Rng rng(4);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor a = random({70, 9}, rng, dtype), b = random({9, 33}, rng, dtype),
                 before = random({70, 33}, rng, dtype);
    for (const Tensor& left : {a, transpose(transpose(a).contiguous()), strided(a)})
      for (const Tensor& right : {b, transpose(transpose(b).contiguous()), strided(b)}) {
        Tensor sum = before.clone();
        CHECK(detail::same_elements(matmul(left, right, {sum, true}), sum));
        check_close(sum, add(before, matmul(a, b)), dtype == DType::f32 ? 1e-6 : 1e-14);
      }
    Tensor sum = before.clone();
    matmul(Tensor::empty({70, 0}, dtype), Tensor::empty({0, 33}, dtype), {sum, true});
    CHECK(bitwise_equal(sum, before));
    check_same_bits_for_all_threads([&] {
      Tensor total = before.clone();
      return matmul(a, b, {total, true});
    });
  }
  check_throws(
      [] {
        matmul(Tensor::zeros({2, 4}), Tensor::zeros({4, 2}), {Tensor::zeros({2, 3}), true});
      },
      "matmul: the result is f32 [2, 2], its destination f32 [2, 3]");
  check_throws(
      [] {
        matmul(Tensor::zeros({2, 4}), Tensor::zeros({4, 3}), {transpose(Tensor::zeros({3, 2})), true});
      },
      "matmul: the destination must be contiguous: shape [2, 3], strides [1, 2]");
}

TEST_CASE("symmetric_matmul is matmul, of transposed views too, and adds") {
  Rng rng(5);
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int threads : {1, 3}) {
      const ThreadsGuard use(threads);
      const Tensor x = Tensor::uniform({300, 90}, 0, 1, rng, dtype);
      const Tensor square = symmetric_matmul(x, transpose(x));
      CHECK(bitwise_equal(square, matmul(x, transpose(x))));
      CHECK(bitwise_equal(symmetric_matmul(transpose(x), x), matmul(transpose(x), x)));
      const Tensor sum = square.clone(), expected = square.clone();
      const Tensor scaled = 0.3 * square;
      check_close(symmetric_matmul(scaled, square), matmul(scaled, square), dtype == DType::f32 ? 1e-6 : 1e-15);
      symmetric_matmul(square, square, {sum, true});
      matmul(square, square, {expected, true});
      CHECK(bitwise_equal(sum, expected));
    }
  CHECK(bitwise_equal(symmetric_matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 2})), Tensor::zeros({2, 2})));
  check_throws(
      [] {
        symmetric_matmul(Tensor::zeros({2, 3}), Tensor::zeros({3, 4}));
      },
      "symmetric_matmul: needs [n,k] x [k,n], got [2, 3] x [3, 4]");
}

TEST_CASE("matmul reports what does not fit") {
  check_throws(
      [] {
        matmul(Tensor::zeros({2, 3}), Tensor::zeros({4, 5}));
      },
      "matmul: inner sizes 3 and 4 differ: [2, 3] x [4, 5]");
  check_throws(
      [] {
        matmul(Tensor::zeros({3}), Tensor::zeros({3, 5}));
      },
      "matmul: needs at least two axes: [3] x [3, 5]");
  check_throws(
      [] {
        matmul(Tensor::zeros({2, 2, 3}), Tensor::zeros({3, 3, 5}));
      },
      "matmul: shapes [2] and [3] do not broadcast: sizes 2 and 3 differ, 1 from the end");
  check_throws(
      [] {
        matmul(Tensor::zeros({2, 3}, DType::i64), Tensor::zeros({3, 2}, DType::i64));
      },
      "matmul: needs f32 or f64, got i64");
}
