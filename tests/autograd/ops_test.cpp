// Kinks, ties, extremes, errors and identities of single operations; what holds for all of them is in
// op_table_test.cpp.
#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/ops.h>

namespace kindling {
namespace {

using Catch::Message;
using Values = std::vector<double>;
using Catch::WithinAbs;
using Catch::WithinRel;

Variable parameter(const Values& values) { return Variable(Tensor::from(values), true); }

Values gradient(const Variable& y, const Variable& x) { return grad({sum(y)}, {x})[0].value().to_vector<double>(); }

const double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("kinks: the stated derivatives") {
  const Variable x = parameter({-1, 0, 1});
  CHECK(gradient(relu(x), x) == Values{0, 0, 1});
  CHECK(gradient(abs(x), x) == Values{-1, 0, 1});
  CHECK(gradient(leaky_relu(x, 0.25), x) == Values{0.25, 0.25, 1});
  CHECK(gradient(elu(x, 0.5), x)[1] == 0.5);
  CHECK(gradient(clamp(x, 0, 1), x) == Values{0, 1, 1});
  CHECK(gradient(hard_sigmoid(x * 3.0), x)[0] == 0.5);
  CHECK(gradient(relu_grad(x, x), x) == Values{0, 0, 1});
}

TEST_CASE("ties: the first of equals takes the gradient") {
  const Variable a = parameter({1, 2}), b = parameter({1, 3});
  CHECK(gradient(maximum(a, b), a) == Values{1, 0});
  CHECK(gradient(maximum(a, b), b) == Values{0, 1});
  CHECK(gradient(minimum(a, b), a) == Values{1, 1});
  CHECK(gradient(minimum(a, b), b) == Values{0, 0});
  const Variable c = parameter({3, 5, 5, 1});
  CHECK(gradient(max(c), c) == Values{0, 1, 0, 0});
  CHECK(gradient(max_pool2d(reshape(c, {1, 2, 2, 1}), {.kernel = 2}), c) == Values{0, 1, 0, 0});
}

TEST_CASE("pow: at zero") {
  const Variable zero = parameter({0, 0, 0}), exponent = parameter({0, 1, 2});
  CHECK(gradient(pow(zero, exponent), zero) == Values{0, 1, 0});
  CHECK(gradient(pow(zero, exponent), exponent) == Values{0, 0, 0});
  CHECK(gradient(pow(zero, 0.0), zero) == Values{0, 0, 0});
  CHECK(gradient(pow(zero, 1.0), zero) == Values{1, 1, 1});
  const Variable square_of = pow(zero, 2.0);
  const Variable first = grad({sum(square_of)}, {zero}, CreateGraph::yes)[0];
  CHECK(gradient(first, zero) == Values{2, 2, 2});
}

TEST_CASE("where: what was not chosen does not poison the gradient") {
  const Variable x = parameter({0, 4});
  const Variable y = where(greater(x, Tensor::scalar(0, DType::f64)), sqrt(x), x * 3.0);
  CHECK(y.value().to_vector<double>() == Values{0, 2});
  const Variable a = parameter({kInfinity, 1}), mask = Tensor::from<double>({0, 1});
  CHECK(gradient(where(mask, a, x), a) == Values{0, 1});
  CHECK(gradient(where(mask, a, x), x) == Values{1, 0});
}

TEST_CASE("extremes: no overflow at +-100 and beyond") {
  const Variable x = parameter({-1000, -100, 100, 1000});
  CHECK_THAT(gradient(sigmoid(x), x)[1], WithinRel(std::exp(-100.0), 1e-12));
  for (const size_t i : {0, 2, 3}) CHECK(gradient(sigmoid(x), x)[i] == 0);
  CHECK_THAT(gradient(softplus(x), x)[3], WithinRel(1.0, 1e-15));
  CHECK(gradient(softplus(x), x)[0] == 0);
  CHECK(gradient(silu(x), x)[3] == 1);
  CHECK(logsumexp(x).item() == 1000);
  CHECK(gradient(logsumexp(x), x) == Values{0, 0, 0, 1});
  CHECK(gradient(softmax(x), x) == Values{0, 0, 0, 0});

  const Variable logits = reshape(x, {1, 4});
  CHECK_THAT(cross_entropy(logits, Tensor::from<int64_t>({0})).item(), WithinRel(2000.0, 1e-15));
  CHECK_THAT(cross_entropy(logits, Tensor::from<int64_t>({3})).item(), WithinAbs(0.0, 1e-300));
  CHECK(gradient(cross_entropy(logits, Tensor::from<int64_t>({0})), x) == Values{-1, 0, 0, 1});
  CHECK_THAT(elu(parameter({-1e-12})).item(), WithinRel(-1e-12, 1e-11));
}

TEST_CASE("a quotient's gradient does not go through the square of the divisor") {
  const auto of_divisor = [](float a, float b) {
    const Variable divisor(Tensor::from<float>({b}), true);
    return grad({sum(Variable(Tensor::from<float>({a})) / divisor)}, {divisor})[0].item();
  };
  CHECK_THAT(of_divisor(1e38F, 2e19F), WithinRel(-0.25, 1e-6));
  CHECK(of_divisor(0, 1e-20F) == 0);
}

TEST_CASE("cross_entropy: an impossible class that is not the label costs nothing") {
  for (const Values& values : {Values{0, -kInfinity}, Values{1.5e308, -1.5e308}}) {
    const Variable logits(Tensor::from(values, {1, 2}), true);
    const Variable loss = cross_entropy(logits, Tensor::from<int64_t>({0}));
    CHECK(loss.item() == 0);
    CHECK(gradient(loss, logits) == Values{0, 0});
  }
}

TEST_CASE("empty tensors pass through") {
  const Variable x(Tensor::zeros({0, 3}, DType::f64), true);
  const Variable y = concat({relu(x * 2.0), slice(x, 0, 0, 0)}, 0);
  CHECK(y.shape() == Shape{0, 3});
  CHECK(grad({sum(y)}, {x})[0].shape() == Shape{0, 3});
  const Variable product = matmul(Variable(Tensor::zeros({2, 3, 0}, DType::f64)), x);  // sums of nothing
  CHECK(product.shape() == Shape{2, 3, 3});
  CHECK(sum(product).item() == 0);
  CHECK_THROWS_MATCHES(mean(x), ShapeError, Message("mean: of an empty tensor, shape [0, 3]"));
  CHECK_THROWS_MATCHES(max(x), ShapeError, Message("max: of an empty tensor, shape [0, 3]"));
}

TEST_CASE("batch_norm: the fused form is that of plain operations") {
  Rng rng(1);
  const Variable x(Tensor::uniform({3, 4, 5, 2}, -2, 2, rng, DType::f64), true);
  const Variable gamma(Tensor::uniform({2}, 0.5, 2, rng, DType::f64), true), beta(Tensor::zeros({2}, DType::f64), true);
  const Tensor weights = Tensor::uniform(x.shape(), -1, 1, rng, DType::f64);
  const Variable centred = x - mean(x, {0, 1, 2});
  const Variable plain = centred * rsqrt(mean(square(centred), {0, 1, 2}) + 1e-5) * gamma + beta;
  const BatchNormResult fused = batch_norm(x, gamma, beta);
  CHECK(relative_distance(fused.values.value(), plain.value()) < 1e-14);
  const auto a = grad({sum(fused.values * weights)}, {x, gamma, beta});
  const auto b = grad({sum(plain * weights)}, {x, gamma, beta});
  for (size_t i = 0; i < 3; ++i) CHECK(relative_distance(a[i].value(), b[i].value()) < 1e-12);
  CHECK(relative_distance(fused.stats.mean, mean(x.value(), {0, 1, 2})) < 1e-14);
}

TEST_CASE("cross_entropy: weights and smoothing follow from its parts") {
  const Variable logits(Tensor::from<double>({1, 2, 3, 1, 0, -1}, {2, 3}), true);
  const Tensor labels = Tensor::from<int64_t>({2, 0});
  const Variable picked = gather(log_softmax(logits), 1, labels.reshape({2, 1}));
  CHECK_THAT(cross_entropy(logits, labels).item(), WithinRel(-mean(picked).item(), 1e-14));
  // Smoothing 1: every class counts 1/K.
  CHECK_THAT(cross_entropy(logits, labels, {.label_smoothing = 1}).item(),
             WithinRel(-mean(log_softmax(logits)).item(), 1e-14));
  // A class of weight 0 drops out of sum and count.
  const Tensor weights = Tensor::from<double>({0, 1, 2});
  CHECK_THAT(cross_entropy(logits, labels, {.class_weights = weights}).item(),
             WithinRel(-picked.value().at<double>({0, 0}), 1e-14));
}

TEST_CASE("errors name the operation and every shape") {
  const Variable a(Tensor::ones({2, 3})), b(Tensor::ones({4}));
  const auto labels = [](std::vector<int64_t> values) { return Tensor::from(values); };
  CHECK_THROWS_MATCHES(a + b, ShapeError,
                       Message("add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 differ, 1 from the end"));
  CHECK_THROWS_MATCHES(matmul(a, a), ShapeError, Message("matmul: cannot multiply [2, 3] by [2, 3]"));
  CHECK_THROWS_MATCHES(matmul(a, b), ShapeError, Message("matmul: cannot multiply [2, 3] by [4]"));
  CHECK_THROWS_MATCHES(select(a, 1, 3), ShapeError, Message("select: index 3 is outside axis 1 of shape [2, 3]"));
  CHECK_THROWS_MATCHES(split(a, {1, 1}, 1), ShapeError,
                       Message("split: parts add up to 2, axis 1 of shape [2, 3] does not"));
  CHECK_THROWS_MATCHES(global_avg_pool(a), ShapeError, Message("global_avg_pool: needs [N, H, W, C], got [2, 3]"));
  CHECK_THROWS_MATCHES(clamp(a, 1, 0), ShapeError, Message("clamp: low 1 is above high 0"));
  CHECK_THROWS_MATCHES(cross_entropy(a, labels({0})), ShapeError,
                       Message("cross_entropy: needs logits [N, K] and labels [N], got [2, 3] and [1]"));
  CHECK_THROWS_MATCHES(cross_entropy(a, Tensor::ones({2})), ShapeError,
                       Message("cross_entropy: labels must be i64 class numbers, got f32"));
  CHECK_THROWS_MATCHES(cross_entropy(a, labels({0, 1}), {.label_smoothing = 2}), ShapeError,
                       Message("cross_entropy: label_smoothing must be in [0, 1], got 2"));
  CHECK_THROWS_MATCHES(cross_entropy(a, labels({0, 1}), {.class_weights = b.value()}), ShapeError,
                       Message("cross_entropy: class_weights [4] for logits [2, 3]"));
  CHECK_THROWS_MATCHES(cross_entropy(a, labels({0, 1}), {.class_weights = Tensor::zeros({3})}), ShapeError,
                       Message("cross_entropy: the class weights of all 2 labels are 0"));
  CHECK_THROWS_AS(cross_entropy(a, labels({0, 3})), ShapeError);
}

TEST_CASE("overloads: tensors stay tensors beside Variables") {
  const Tensor t = Tensor::ones({1, 2});
  const Variable v(t, true);
  const Tensor joined = concat({t, t}, 0);
  CHECK(joined.shape() == Shape{2, 2});
  CHECK(concat({v, v}, 0).requires_grad());
  CHECK(concat({v, Variable(t)}, 0).requires_grad());
  CHECK((t * v).requires_grad());
  CHECK((2.0 / v - 1.0).value().to_vector<float>() == std::vector<float>{1, 1});
}

}  // namespace kindling
