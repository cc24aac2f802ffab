#include <kindling/tensor/reduce.h>

#include <cmath>

#include <kindling/tensor/kernels/reduce.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Sum and largest element over the axes that are marked, by walking all elements, in double.
struct Reference {
  Tensor total, largest;

  Reference(const Tensor& x, const std::vector<bool>& reduced) {
    Shape kept = x.shape();
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      if (reduced[static_cast<size_t>(axis)]) kept[axis] = 1;
    total = Tensor::zeros(kept, DType::f64);
    largest = Tensor::full(kept, -1e300, DType::f64);
    for_each_index(x.shape(), [&](const Shape& index) {
      Shape target = index;
      for (int64_t axis = 0; axis < x.rank(); ++axis)
        if (kept[axis] == 1) target[axis] = 0;
      total.at<double>(target) += x.at<double>(index);
      largest.at<double>(target) = std::max(largest.at<double>(target), x.at<double>(index));
    });
  }
};

}  // namespace

TEST_CASE("sum, mean and max over every choice of axes are the plain loops") {
  const Poison poison;
  for (const Shape& shape : {Shape{3, 4, 5, 2}, Shape{1, 7, 1, 3}, Shape{2, 1, 40, 33}}) {
    Rng rng(1);
    const Tensor x = random(shape, rng);
    for (int mask = 1; mask < 16; ++mask) {
      Shape axes;
      std::vector<bool> reduced(4);
      for (int64_t axis = 0; axis < 4; ++axis)
        if ((mask >> axis & 1) != 0) {
          axes.push_back(axis % 2 == 0 ? axis : axis - 4);  // both ways of counting
          reduced[static_cast<size_t>(axis)] = true;
        }
      INFO("shape " << shape << ", axes " << axes);
      const Reference reference(x, reduced);
      for (const Tensor& operand : {x, strided(x)}) {
        check_close(sum(operand, axes, true), reference.total, 1e-13);
        check_close(max(operand, axes, true), reference.largest, 0);
        check_close(
            mean(operand, axes, true) * (static_cast<double>(x.numel()) / static_cast<double>(reference.total.numel())),
            reference.total, 1e-13);
      }
      for_each_isa([&] { check_close(sum(x.to(DType::f32), axes, true), reference.total, 1e-5); });
      CHECK(bitwise_equal(sum(x, axes), sum(x, axes, true).reshape(sum(x, axes).shape())));
    }
    CHECK(sum(x).shape() == Shape{});
  }
}

TEST_CASE("sums of many elements stay accurate and have the same bits for any number of threads") {
  Rng rng(2);
  const Tensor x = Tensor::uniform({1'000'003}, 0, 1, rng);
  const double exact = [&] {
    double total = 0;
    for (const float value : x.to_vector<float>()) total += value;
    return total;
  }();
  CHECK(std::abs(sum(x).item() - exact) / exact < 2e-7);  // one running f32 sum is off by 1e-5 here
  check_same_bits_for_all_threads([&] { return sum(x); });
  const Tensor rows = x.slice(0, 0, 1'000'000).reshape({50'000, 20});
  check_same_bits_for_all_threads([&] { return sum(rows, {0}); });
  check_same_bits_for_all_threads([&] { return Tensor::scalar(dot(rows, rows), DType::f64); });
}

TEST_CASE("the kernels of sums and dot products are the running sums, for every length and instruction set") {
  Rng rng(7);
  const Tensor a = random({200}, rng), b = random({200}, rng);
  for_each_isa([&] {
    for (int64_t n = 0; n <= 200; ++n) {
      const double *x = a.data<double>(), *y = b.data<double>();
      double product = 0;
      for (int64_t i = 0; i < n; ++i) product += x[i] * y[i];
      // Sums of up to 200 numbers below 1, in another order.
      CHECK(std::abs(kernels::table<double>().sum(n, x) - kernels::naive_sum(n, x)) < 1e-13);
      CHECK(std::abs(kernels::table<double>().dot(n, x, y) - product) < 1e-13);
    }
  });
}

TEST_CASE("sums down few columns stay accurate") {
  Rng rng(8);
  const Tensor x = Tensor::uniform({300'000, 2}, 0, 1, rng), exact = sum(x.to(DType::f64), {0});
  check_close(sum(x, {0}), exact, 1e-6);  // one running sum of f32 a column is off by 1e-5 here
}

TEST_CASE("reductions of nothing, and of extremes") {
  const Tensor none = Tensor::empty({0, 3});
  CHECK(sum(none).item() == 0);
  CHECK(sum(none, {0}).to_vector<float>() == std::vector<float>{0, 0, 0});
  check_throws([&] { mean(none); }, "mean: of an empty tensor, shape [0, 3]");
  check_throws([&] { max(none); }, "max: of an empty tensor, shape [0, 3]");
  check_throws([&] { argmax(none); }, "argmax: of an empty tensor, shape [0, 3]");
  check_throws([&] { sum(none, {2}); }, "sum: axis 2 is out of range for rank 2");
  CHECK(std::isnan(max(Tensor::from<float>({1, NAN, 3})).item()));
  CHECK(max(Tensor::from<float>({-INFINITY, -7})).item() == -7);
  CHECK(sum(Tensor::scalar(4)).item() == 4);
}

TEST_CASE("a sum of one number is a tensor of its own, and of integers refused") {
  const Tensor x = Tensor::scalar(3);
  for (Tensor y : {sum(x), max(x)}) {
    y.add_(x);
    CHECK(y.item() == 6);
    CHECK(x.item() == 3);
  }
  check_throws([] { sum(Tensor::scalar(3, DType::i64)); }, "sum: needs f32 or f64, got i64");
}

TEST_CASE("argmax takes the first of equals along any axis") {
  const Tensor x = Tensor::from<float>({1, 5, 5, 2, 9, 0, 9, 9}, {2, 4});
  CHECK(argmax(x).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
  CHECK(argmax(x, 0).to_vector<int64_t>() == std::vector<int64_t>{1, 0, 1, 1});
  CHECK(argmax(x, 1, true).shape() == Shape{2, 1});
  CHECK(argmax(Tensor::from<float>({INFINITY, NAN, 1, NAN})).item<int64_t>() == 1);
  CHECK(argmax(Tensor::from<int64_t>({-3, -1, -1})).item<int64_t>() == 1);
  CHECK(argmax(x.transpose(), 0).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
  Rng rng(3);
  const Tensor y = random({3, 4, 5}, rng);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t k = 0; k < 5; ++k)
      CHECK(y.at<double>({i, argmax(y, 1).at<int64_t>({i, k}), k}) == max(y, {1}).at<double>({i, k}));
}

TEST_CASE("sum_to is the adjoint of broadcast_to") {
  Rng rng(4);
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{1, 5}, Shape{3, 1, 1}, Shape{2, 3, 4, 5}}) {
    const Shape wide{2, 3, 4, 5};
    const Tensor x = random(shape, rng), g = random(wide, rng);
    const double expected = dot(x.broadcast_to(wide), g);
    CHECK(std::abs(dot(x, sum_to(g, shape)) - expected) < 1e-12);
  }
  check_throws([&] { sum_to(Tensor::zeros({2, 3}), {4}); }, "sum_to: cannot sum [2, 3] to [4]");
}

TEST_CASE("dot adds up all blocks, and what is left behind the last") {
  Rng rng(8);
  for (const int64_t n : {32768, 32769, 5 * 32768 + 17}) {  // a block has 32,768 elements
    const Tensor x = random({n}, rng), y = random({n}, rng);
    const std::vector<double> xs = x.to_vector<double>(), ys = y.to_vector<double>();
    double expected = 0;
    for (size_t i = 0; i < xs.size(); ++i) expected += xs[i] * ys[i];
    CHECK(std::abs(dot(x, y) - expected) < 1e-13 * static_cast<double>(n));
    CHECK(std::abs(dot(x.to(DType::f32), y.to(DType::f32)) - expected) < 1e-6 * static_cast<double>(n));
  }
}

TEST_CASE("dot and norm") {
  const Tensor x = Tensor::from<float>({3, 4});
  CHECK(norm(x) == 5);
  check_throws([&] { dot(x, Tensor::zeros({3})); }, "dot: shapes [2] and [3] differ");
  check_throws([&] { dot(x, x.to(DType::f64)); }, "dot: operands have dtypes f32 and f64; convert one with to()");
  check_throws([] { sum(Tensor::arange(3)); }, "sum: needs f32 or f64, got i64");
}
