// Initialisers: bounds, variances, and streams.
#include <kindling/nn/init.h>

#include <algorithm>
#include <cmath>

#include <catch2/catch.hpp>

using namespace kindling;

namespace {

const Shape kWeight{64, 3, 3, 32};  // fan in 288, fan out 576
constexpr double kIn = 288, kOut = 576, kCount = 64 * 288;

struct Statistics {
  double mean = 0, var = 0, largest = 0;
};
Statistics statistics(const Tensor& t) {
  Statistics s;
  const auto values = t.to_vector<double>();
  for (const double v : values) s.mean += v / static_cast<double>(values.size());
  for (const double v : values) s.var += (v - s.mean) * (v - s.mean) / static_cast<double>(values.size());
  for (const double v : values) s.largest = std::max(s.largest, std::abs(v));
  return s;
}

}  // namespace

TEST_CASE("Fans count the weights at an output and at an input") {
  CHECK(init::fans({10, 4}).in == 4);
  CHECK(init::fans({10, 4}).out == 10);
  CHECK(init::fans(kWeight).in == 288);
  CHECK(init::fans(kWeight).out == 576);
  CHECK_THROWS_WITH(init::fans({10}), "init: fans need a weight of rank 2 or more, got shape [10]");
}

TEST_CASE("Uniform initialisers fill their interval with its variance") {
  struct Row {
    const char* name;
    Initializer init;
    double bound;
  };
  const Row row = GENERATE(Row{"xavier", init::xavier_uniform(), std::sqrt(6 / (kIn + kOut))},
                           Row{"kaiming", init::kaiming_uniform(), std::sqrt(6 / kIn)},
                           Row{"caffe", init::caffe_xavier(), std::sqrt(3 / kIn)},
                           Row{"pytorch", init::pytorch_default(), 1 / std::sqrt(kIn)},
                           Row{"uniform", init::uniform(-0.2, 0.2), 0.2});
  CAPTURE(row.name);
  Rng rng(42);
  const Tensor weight = row.init(kWeight, rng);
  CHECK(weight.shape() == kWeight);
  CHECK(weight.dtype() == DType::f32);
  const Statistics s = statistics(weight);
  CHECK(s.largest <= row.bound * (1 + 1e-7));  // rounding to f32
  CHECK(s.largest > row.bound * 0.999);        // of 18,432 draws one is there with probability 1 - 1e-8
  // Five standard deviations of the mean of kCount draws, and of their variance b^2/3 (its own is 4 b^4 / 45 / kCount).
  CHECK_THAT(s.mean, Catch::WithinAbs(0, 5 * row.bound / std::sqrt(3 * kCount)));
  CHECK_THAT(s.var,
             Catch::WithinAbs(row.bound * row.bound / 3, 5 * row.bound * row.bound * std::sqrt(4 / 45.0 / kCount)));
}

TEST_CASE("Normal initialisers have their deviation") {
  struct Row {
    const char* name;
    Initializer init;
    double mean, stddev;
  };
  const Row row = GENERATE(Row{"xavier", init::xavier_normal(), 0, std::sqrt(2 / (kIn + kOut))},
                           Row{"kaiming", init::kaiming_normal(), 0, std::sqrt(2 / kIn)},
                           Row{"normal", init::normal(0.5, 0.01), 0.5, 0.01});
  CAPTURE(row.name);
  Rng rng(42);
  const Statistics s = statistics(row.init(kWeight, rng));
  // Five standard deviations of the mean and of the variance (2 sigma^4 / n) of kCount draws.
  CHECK_THAT(s.mean, Catch::WithinAbs(row.mean, 5 * row.stddev / std::sqrt(kCount)));
  CHECK_THAT(s.var, Catch::WithinRel(row.stddev * row.stddev, 5 * std::sqrt(2 / kCount)));
}

TEST_CASE("Constant initialisers draw nothing") {
  Rng rng(42);
  CHECK(init::constant(0.1)({3}, rng).to_vector<float>() == std::vector<float>(3, 0.1F));
  CHECK(init::zeros()({3}, rng).to_vector<float>() == std::vector<float>(3, 0.0F));
  CHECK(rng.position() == 0);
}

TEST_CASE("What a layer draws does not depend on the sizes of the layers before it") {
  Rng a(42), b(42);
  init::kaiming_uniform()({8, 4}, a);
  init::kaiming_uniform()({80, 40}, b);
  CHECK(bitwise_equal(init::kaiming_uniform()({5, 5}, a), init::kaiming_uniform()({5, 5}, b)));
}
