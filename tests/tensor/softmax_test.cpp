#include <kindling/tensor/softmax.h>

#include <cmath>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// log softmax of every row, in double, shifted as the definition allows.
Tensor reference_log_softmax(const Tensor& x) {
  Tensor y = x.to(DType::f64).clone();
  Tensor rows = y.reshape({-1, x.size(-1)});
  for (int64_t r = 0; r < rows.size(0); ++r) {
    long double total = 0;
    for (const double value : rows.select(0, r).to_vector<double>()) total += std::exp(static_cast<long double>(value));
    for (int64_t i = 0; i < rows.size(1); ++i) rows.at<double>({r, i}) -= static_cast<double>(std::log(total));
  }
  return y;
}

}  // namespace

TEST_CASE("softmax and log_softmax are their definitions, for every layout, dtype and instruction set") {
  const Poison poison;
  Rng rng(1);
  for (const Shape& shape :
       {Shape{1}, Shape{7}, Shape{5, 1}, Shape{5, 10}, Shape{2, 3, 33}, Shape{3, 1000}, Shape{0, 4}}) {
    INFO("shape " << shape);
    const Tensor x = Tensor::uniform(shape, -8, 8, rng, DType::f64);
    for_each_isa([&] {
      for (const DType dtype : {DType::f32, DType::f64}) {
        // f32: a few ulps of the largest logit's exponent and of a sum of 1000 terms; f64 likewise.
        const double tolerance = dtype == DType::f32 ? 2e-6 : 1e-14;
        const Tensor operand = x.to(dtype), expected = reference_log_softmax(operand);
        for (const Tensor& layout : {operand, strided(operand)}) {
          check_close(log_softmax(layout), expected, tolerance);
          check_close(softmax(layout), exp(expected), tolerance);
        }
      }
    });
  }
}

TEST_CASE("softmax does not overflow, shares among ties, and takes -inf as a mask") {
  const auto row = [](const std::vector<float>& values) { return softmax(Tensor::from(values)).to_vector<float>(); };
  using Floats = std::vector<float>;
  CHECK(row({1e30F, 0, -1e30F}) == Floats{1, 0, 0});
  CHECK(row({100, -100, 100, -100}) == Floats{0.5, 0, 0.5, 0});
  CHECK(row({-1e30F, -1e30F}) == Floats{0.5, 0.5});
  CHECK(row({5, -INFINITY, 5}) == Floats{0.5, 0, 0.5});
  CHECK(row({3}) == Floats{1});
  const Tensor logs = log_softmax(Tensor::from<float>({1000, 0, -INFINITY}));
  CHECK(logs.to_vector<float>() == Floats{0, -1000, -INFINITY});
}

TEST_CASE("NaN and infinity spoil their own row of a softmax and no other") {
  const Tensor x = Tensor::from<float>({1, NAN, 1, 1, INFINITY, 1, 2, 2, 2}, {3, 3});
  for (const Tensor& y : {softmax(x), log_softmax(x)}) {
    for (int64_t i = 0; i < 3; ++i) CHECK(std::isnan(y.at<float>({0, i})));
    CHECK(std::isnan(y.at<float>({1, 1})));
    CHECK(all_finite(y.select(0, 2)));
  }
}

TEST_CASE("softmax has the same bits for any number of threads") {
  Rng rng(2);
  const Tensor x = random({700, 101}, rng, DType::f32);
  check_same_bits_for_all_threads([&] { return softmax(x); });
  check_same_bits_for_all_threads([&] { return log_softmax(x); });
}

TEST_CASE("softmax reports what does not fit") {
  check_throws([] { softmax(Tensor::scalar(1)); },
               "softmax: needs a last axis with at least one element, got shape []");
  check_throws(
      [] {
        log_softmax(Tensor::zeros({2, 0}));
      },
      "log_softmax: needs a last axis with at least one element, got shape [2, 0]");
  check_throws([] { softmax(Tensor::arange(3)); }, "softmax: needs f32 or f64, got i64");
}
