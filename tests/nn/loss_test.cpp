// Losses against their definitions, element by element in double.
#include <kindling/nn/loss.h>

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/elementwise.h>

using namespace kindling;

namespace {

constexpr double kRounding = 1e-12;  // double, a dozen terms

const int64_t kSamples = 4, kClasses = 3;

struct Classification {
  Tensor logits = Tensor::from<double>({1, -2, 0.5, 3, 3, -1, 0, 0, 0, -4, 2, 1}, {kSamples, kClasses});
  Tensor labels = Tensor::from<int64_t>({2, 0, 1, 1});
  Tensor weights = Tensor::from<double>({1, 0.5, 3});
};

double log_softmax_at(const Tensor& logits, int64_t n, int64_t k) {
  double total = 0;
  for (int64_t j = 0; j < kClasses; ++j) total += std::exp(logits.at<double>({n, j}));
  return logits.at<double>({n, k}) - std::log(total);
}

void check_values(const Variable& actual, const std::vector<double>& expected) {
  REQUIRE(actual.numel() == static_cast<int64_t>(expected.size()));
  const auto values = actual.value().to_vector<double>();
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK_THAT(values[i], Catch::WithinRel(expected[i], kRounding) || Catch::WithinAbs(expected[i], kRounding));
}

/// A loss of (x, target) with its per-element formula, under the three reductions.
template <class Loss>
void check_reductions(Loss loss, const Tensor& x, const Tensor& target, double (*formula)(double, double)) {
  std::vector<double> each;
  double total = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    each.push_back(
        formula(x.to_vector<double>()[static_cast<size_t>(i)], target.to_vector<double>()[static_cast<size_t>(i)]));
    total += each.back();
  }
  const Variable none = loss(x, target, Reduction::none);
  CHECK(none.shape() == x.shape());
  check_values(none, each);
  check_values(loss(x, target, Reduction::sum), {total});
  check_values(loss(x, target, Reduction::mean), {total / static_cast<double>(x.numel())});
}

}  // namespace

TEST_CASE("cross_entropy and nll_loss follow their definition under every reduction") {
  const Classification c;
  const bool weighted = GENERATE(false, true);
  const double smoothing = GENERATE(0.0, 0.3);
  CAPTURE(weighted, smoothing);
  const CrossEntropyOptions options{.label_smoothing = smoothing, .class_weights = weighted ? c.weights : Tensor()};
  const auto weight = [&](int64_t k) { return weighted ? c.weights.at<double>({k}) : 1.0; };
  std::vector<double> each;
  double total = 0, total_weight = 0;
  for (int64_t n = 0; n < kSamples; ++n) {
    const int64_t label = c.labels.at<int64_t>({n});
    double loss = 0;
    for (int64_t k = 0; k < kClasses; ++k) {
      const double t = (k == label ? 1 - smoothing : 0) + smoothing / kClasses;
      loss -= weight(k) * t * log_softmax_at(c.logits, n, k);
    }
    each.push_back(loss);
    total += loss;
    total_weight += weight(label);
  }
  check_values(cross_entropy(c.logits, c.labels, Reduction::none, options), each);
  check_values(cross_entropy(c.logits, c.labels, Reduction::sum, options), {total});
  check_values(cross_entropy(c.logits, c.labels, Reduction::mean, options), {total / total_weight});
  if (smoothing == 0) {
    const Variable x = log_softmax(Variable(c.logits));
    check_values(nll_loss(x, c.labels, Reduction::none, options.class_weights), each);
    check_values(nll_loss(x, c.labels, Reduction::sum, options.class_weights), {total});
    check_values(nll_loss(x, c.labels, Reduction::mean, options.class_weights), {total / total_weight});
  }
}

TEST_CASE("Elementwise losses follow their definition under every reduction") {
  const Tensor x = Tensor::from<double>({-2, -0.3, 0, 0.4, 1, 3}, {2, 3});
  const Tensor target = Tensor::from<double>({0, 1, 0.5, 0.4, 0, 1}, {2, 3});
  check_reductions([](auto... a) { return mse_loss(a...); }, x, target,
                   [](double v, double t) { return (v - t) * (v - t); });
  check_reductions([](auto... a) { return l1_loss(a...); }, x, target,
                   [](double v, double t) { return std::abs(v - t); });
  check_reductions([](auto... a) { return bce_with_logits(a...); }, x, target,
                   [](double v, double t) {
                     const double p = 1 / (1 + std::exp(-v));
                     return -t * std::log(p) - (1 - t) * std::log(1 - p);
                   });
}

TEST_CASE("an impossible class that is not the label costs nothing") {
  const Variable logits(Tensor::from<double>({0, -std::numeric_limits<double>::infinity()}, {1, 2}), true);
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum})
    CHECK(cross_entropy(logits, Tensor::from<int64_t>({0}), reduction).item() == 0);
}

TEST_CASE("bce_with_logits stays finite at extremes") {
  const Tensor x = Tensor::from<float>({-1000, 1000, -1000, 1000});
  const Tensor target = Tensor::from<float>({0, 1, 1, 0});
  CHECK(bce_with_logits(x, target, Reduction::none).value().to_vector<float>() == std::vector<float>{0, 0, 1000, 1000});
}

TEST_CASE("l1_loss has gradient 0 where it is 0") {
  const Variable x(Tensor::from<float>({1, 2, 3}), true);
  l1_loss(x, Tensor::from<float>({1, 3, 2}), Reduction::sum).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, -1, 1});
}

TEST_CASE("Losses' gradients", "[grad]") {
  Rng rng(1);
  const Classification c;
  const Reduction reduction = GENERATE(Reduction::none, Reduction::mean, Reduction::sum);
  const auto check_loss = [](const char* name, const DifferentiableFunction& f, const Variables& inputs) {
    const auto result = gradcheck(f, inputs, {.order = 2});
    INFO(name << ": " << result.message);
    CHECK(result.ok);
  };
  const Tensor x = Tensor::uniform({2, 3}, -1, 1, rng, DType::f64),
               target = Tensor::uniform({2, 3}, 0, 1, rng, DType::f64);
  using In = const Variables&;
  check_loss("cross_entropy",
             [&](In in) {
               return cross_entropy(in[0], c.labels, reduction, {.label_smoothing = 0.1, .class_weights = c.weights});
             },
             {c.logits});
  check_loss("nll_loss", [&](In in) { return nll_loss(in[0], c.labels, reduction, c.weights); }, {c.logits});
  check_loss("mse_loss", [&](In in) { return mse_loss(in[0], in[1], reduction); }, {x, target});
  check_loss("l1_loss", [&](In in) { return l1_loss(in[0], in[1], reduction); }, {x, target});
  check_loss("bce_with_logits", [&](In in) { return bce_with_logits(in[0], in[1], reduction); }, {x, target});
}

TEST_CASE("Losses name shapes that do not fit") {
  const Tensor x = Tensor::zeros({2, 3}), labels = Tensor::zeros({2}, DType::i64);
  CHECK_THROWS_WITH(mse_loss(x, Tensor::zeros({3})), "mse_loss: input and target differ: input [2, 3], target [3]");
  CHECK_THROWS_WITH(l1_loss(x, Tensor::zeros({2})), "l1_loss: input and target differ: input [2, 3], target [2]");
  CHECK_THROWS_WITH(bce_with_logits(x, Tensor::zeros({2})),
                    "bce_with_logits: input and target differ: input [2, 3], target [2]");
  CHECK_THROWS_WITH(nll_loss(x, Tensor::zeros({3}, DType::i64)),
                    "nll_loss: needs input [N, classes] and labels [N]: input [2, 3], labels [3]");
  CHECK_THROWS_WITH(nll_loss(x, Tensor::zeros({2})), "nll_loss: needs i64 labels, got f32");
  CHECK_THROWS_WITH(nll_loss(x, labels, Reduction::mean, Tensor::ones({2})),
                    "nll_loss: needs one weight per class: input [2, 3], weights [2]");
  CHECK_THROWS_WITH(cross_entropy(x, Tensor::zeros({3}, DType::i64), Reduction::sum),
                    "cross_entropy: needs logits [N, K] and labels [N], got [2, 3] and [3]");
  CHECK_THROWS_WITH(cross_entropy(x, labels, Reduction::sum, {.label_smoothing = 2}),
                    "cross_entropy: label_smoothing must be in [0, 1], got 2");
  CHECK_THROWS_AS(nll_loss(x, Tensor::from<int64_t>({0, 3})), ShapeError);
  CHECK_THROWS_WITH(nll_loss(x, labels, Reduction::mean, Tensor::zeros({3})),
                    "nll_loss: the class weights of all 2 labels are 0");
}
