// Functions as layers.
#include <kindling/nn/fn.h>

#include <cmath>
#include <memory>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/activation.h>

using namespace kindling;

TEST_CASE("Fn lifts a function, or a lambda with options, into a layer") {
  const Tensor x = Tensor::from<float>({-2, 3});
  CHECK(Fn(relu)(x).value().to_vector<float>() == std::vector<float>{0, 3});
  CHECK(Fn(relu).kind() == "Fn");
  const double factor = 2;
  Fn twice("Twice", [factor](const Variable& v) { return v * factor; });
  CHECK(twice(x).value().to_vector<float>() == std::vector<float>{-4, 6});
  CHECK(twice.kind() == "Twice");
}

TEST_CASE("Activation layers compute their formulas") {
  struct Row {
    std::unique_ptr<Module> layer;
    std::string kind;
    double (*formula)(double);
  };
  std::vector<Row> rows;
  const auto add = [&](auto layer, const char* kind, double (*formula)(double)) {
    rows.push_back({std::make_unique<decltype(layer)>(std::move(layer)), kind, formula});
  };
  add(ReLU(), "ReLU", [](double v) { return v > 0 ? v : 0; });
  add(LeakyReLU(0.25), "LeakyReLU", [](double v) { return v > 0 ? v : 0.25 * v; });
  add(ELU(2), "ELU", [](double v) { return v > 0 ? v : 2 * std::expm1(v); });
  add(GELU(), "GELU", [](double v) { return v * 0.5 * (1 + std::erf(v / std::sqrt(2))); });
  add(SiLU(), "SiLU", [](double v) { return v / (1 + std::exp(-v)); });
  add(Sigmoid(), "Sigmoid", [](double v) { return 1 / (1 + std::exp(-v)); });
  add(Tanh(), "Tanh", [](double v) { return std::tanh(v); });
  add(Softplus(), "Softplus", [](double v) { return std::log1p(std::exp(v)); });

  const std::vector<double> x{-3, -0.5, 0, 0.5, 3};
  for (Row& row : rows) {
    CAPTURE(row.kind);
    CHECK(row.layer->kind() == row.kind);
    CHECK(row.layer->parameters().empty());
    const auto y = (*row.layer)(Tensor::from(x)).value().to_vector<double>();
    // Double rounding; library functions differ in the last bits.
    for (size_t i = 0; i < x.size(); ++i) CHECK_THAT(y[i], Catch::WithinAbs(row.formula(x[i]), 1e-14));
  }
}

TEST_CASE("Flatten keeps the batch and the order of memory") {
  const Tensor x = Tensor::arange(24, DType::f32).reshape({2, 2, 3, 2});
  const Tensor y = Flatten()(x).value();
  CHECK(y.shape() == Shape{2, 12});
  CHECK(y.to_vector<float>() == x.to_vector<float>());
}
