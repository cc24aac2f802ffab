#include <kindling/compress/rate_model.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/tensor/rng.h>

using namespace kindling;

namespace {

/// Bits of all numbers, by the model of these numbers.
double total(const std::vector<int32_t>& numbers, int64_t rows, int64_t columns) {
  const RateModel model(numbers, rows, columns);
  double bits = 0;
  for (int64_t r = 0, i = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c, ++i)
      bits += RateModel::cost(model.at(r, c), std::abs(numbers[static_cast<size_t>(i)]));
  return bits;
}

}  // namespace

TEST_CASE("RateModel: zeros, ones and minus ones at random cost their entropy") {
  Rng rng(1);
  std::vector<int32_t> numbers;
  for (int i = 0; i < 40000; ++i) {
    const double u = rng.next_uniform();
    numbers.push_back(u < 0.8 ? 0 : u < 0.9 ? 1 : -1);
  }
  const double entropy = -0.8 * std::log2(0.8) - 0.2 * std::log2(0.1);
  CHECK(total(numbers, 200, 200) / 40000 == Approx(entropy).epsilon(0.02));  // deviation of the counts: 0.6 %
}

TEST_CASE("RateModel: where zeros are common they are cheap, by row and by column") {
  std::vector<int32_t> numbers(10000);
  for (size_t i = 0; i < numbers.size(); ++i)
    if (i / 100 % 2 == 0) numbers[i] = static_cast<int32_t>(i % 7) - 3;  // every second row is 0
  const RateModel model(numbers, 100, 100);
  CHECK(RateModel::cost(model.at(1, 0), 0) < 0.05);
  CHECK(RateModel::cost(model.at(0, 0), 0) > 1.5);
}

TEST_CASE("RateModel: costs rise with the magnitude, far above the largest that was seen too") {
  const RateModel model({0, 1, -2, 3}, 2, 2);
  const double* const bits = model.at(1, 1);
  for (const int64_t m : {0, 1, 3, 20, 24, 25, 1000, 1000000}) {
    INFO(m);
    CHECK(std::isfinite(RateModel::cost(bits, m)));
    CHECK(RateModel::cost(bits, m) < RateModel::cost(bits, 4 * m + 4));
  }
}
