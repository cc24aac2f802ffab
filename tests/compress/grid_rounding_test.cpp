#include <kindling/compress/grid_rounding.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/compress/rate_model.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

/// 1/2 sum_o d_o' H d_o.
double rise(const Tensor& weight, const std::vector<int32_t>& codes, double step, const Tensor& h) {
  std::vector<double> rounded;
  for (const int32_t code : codes) rounded.push_back(step * code);
  const Tensor d = Tensor::from(rounded, weight.shape()) - weight;
  return 0.5 * dot(matmul(d, h), d);
}

double bits(const std::vector<int32_t>& codes, int64_t rows, int64_t columns) {
  const RateModel model(codes, rows, columns);
  double sum = 0;
  for (int64_t i = 0; i < rows * columns; ++i)
    sum += RateModel::cost(model.at(i / columns, i % columns), std::abs(codes[static_cast<size_t>(i)]));
  return sum;
}

std::vector<int32_t> nearest(const Tensor& weight, double step) {
  std::vector<int32_t> codes;
  for (const double w : weight.to_vector<double>()) codes.push_back(static_cast<int32_t>(std::lround(w / step)));
  return codes;
}

struct Problem {
  Tensor weight, h;
};
/// Inputs that are much alike, as those of a convolution.
Problem correlated() {
  Rng rng(2);
  const Tensor common = random({300, 1}, rng), x = random({300, 40}, rng) * 0.3 + common;
  return {Tensor::normal({60, 40}, 0, 1, rng, DType::f64), matmul(transpose(x), x) * (1.0 / 300)};
}

}  // namespace

TEST_CASE("round_to_grid: two columns by hand") {
  // R R' = [2 1; 1 1] in the order of the columns: R = [1 1; 0 1]. The first column is 0.4 and becomes 0; the second
  // then aims at 0.4 + (R_01 / R_11) 0.4 = 0.8 and becomes 1, where rounding to nearest gives 0.
  const Tensor h = Tensor::from<double>({2, 1, 1, 1}, {2, 2}), weight = Tensor::from<double>({0.4, 0.4}, {1, 2});
  const GridMatrix result = round_to_grid(weight, factorise(h, 0), {.step = 1, .refinements = 0});
  CHECK(result.codes == std::vector<int32_t>{0, 1});
  CHECK(result.rise == Approx(0.5 * (0.4 * 0.4 + 0.2 * 0.2)));
  CHECK(result.rise == Approx(rise(weight, result.codes, 1, h)));
}

TEST_CASE("round_to_grid: without correlation and price, rounding to nearest") {
  Rng rng(3);
  const Tensor weight = random({5, 7}, rng) * 10.0;
  const Tensor diagonal = Tensor::uniform({7}, 1, 2, rng, DType::f64);
  const GridMatrix result = round_to_grid(weight, factorise(diagonal, 0), {.step = 0.5});
  CHECK(result.codes == nearest(weight, 0.5));
}

TEST_CASE("round_to_grid: the rise that it counts is that of the quadratic form") {
  const auto [weight, h] = correlated();
  for (const int refinements : {0, 3}) {
    const GridMatrix result =
        round_to_grid(weight, factorise(h, 0), {.step = 0.6, .lambda = 0.01, .refinements = refinements});
    CHECK(result.rise == Approx(rise(weight, result.codes, 0.6, h)));
  }
}

TEST_CASE("round_to_grid: refinements lower the cost") {
  const auto [weight, h] = correlated();
  const double lambda = 0.003;
  const auto cost = [&, w = weight, hessian = h](int refinements) {
    // One pass, so that both count by the same rates.
    const GridMatrix result = round_to_grid(w, factorise(hessian, 0.001),
                                            {.step = 0.5, .lambda = lambda, .passes = 1, .refinements = refinements});
    return result.rise + lambda * result.bits;
  };
  CHECK(cost(1) < cost(0));
  CHECK(cost(4) <= cost(1));
}

TEST_CASE("round_to_grid: less loss than rounding to nearest for no more bits") {
  const auto [weight, h] = correlated();
  const double step = 0.5;
  const std::vector<int32_t> plain = nearest(weight, step);
  const GridMatrix result = round_to_grid(weight, factorise(h, 0.001), {.step = step, .lambda = 1e-3});
  CHECK(bits(result.codes, 60, 40) <= bits(plain, 60, 40));
  CHECK(rise(weight, result.codes, step, h) < 0.6 * rise(weight, plain, step, h));
}

TEST_CASE("round_to_grid: a higher price buys fewer bits for more loss") {
  const auto [weight, h] = correlated();
  const CurvatureFactor factor = factorise(h, 0.001);
  GridMatrix before = round_to_grid(weight, factor, {.step = 0.5, .lambda = 0});
  for (const double lambda : {1e-3, 1e-2, 1e-1}) {
    const GridMatrix after = round_to_grid(weight, factor, {.step = 0.5, .lambda = lambda});
    CHECK(after.bits < before.bits);
    CHECK(after.rise > before.rise);
    before = after;
  }
}

TEST_CASE("natural_step: a quarter of the price halves it") {
  const CurvatureFactor factor = factorise(Tensor::from<double>({4, 9}), 0);  // the geometric mean of 4 and 9 is 6
  CHECK(natural_step(factor, 0.01) == Approx(std::sqrt(0.12 / (std::log(2.0) * 6))));
  CHECK(natural_step(factor, 0.0025) == Approx(natural_step(factor, 0.01) / 2));
}

TEST_CASE("round_to_grid: same bits for any number of threads") {
  const auto [weight, h] = correlated();
  check_same_bits_for_all_threads([&, w = weight, hessian = h] {
    const GridMatrix result = round_to_grid(w, factorise(hessian, 0.01), {.step = 0.3, .lambda = 1e-3});
    std::vector<double> all(result.codes.begin(), result.codes.end());
    all.push_back(result.bits);
    all.push_back(result.rise);
    return Tensor::from(all);
  });
}

TEST_CASE("round_to_grid: mistakes") {
  const CurvatureFactor factor = factorise(Tensor::from<double>({1, 1}), 0);
  check_throws(
      [&] {
        round_to_grid(Tensor::ones({1, 3}), factor, {.step = 1});
      },
      "round_to_grid: weight [1, 3] does not have the 2 columns of the factor");
  CHECK_THROWS_AS(round_to_grid(Tensor::ones({1, 2}), factor, {.step = 0}), ShapeError);
  CHECK_THROWS_AS(round_to_grid(Tensor::ones({1, 2}), factor, {.step = 1e-12}), ShapeError);
}
