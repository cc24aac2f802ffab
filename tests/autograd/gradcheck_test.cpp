#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/ops.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

using Args = Variables;
using Catch::Contains;
using Catch::Message;
using Catch::StartsWith;
using Catch::WithinRel;

Tensor uniform(const Shape& shape, uint64_t seed = 1) {
  Rng rng(seed);
  return Tensor::uniform(shape, -2, 2, rng, DType::f64);
}

Tensor only_at(const Shape& shape, const Shape& index) {
  Tensor mask = Tensor::zeros(shape, DType::f64);
  mask.at<double>(index) = 1;
  return mask;
}

// a b, with a derivative by b that is `factor` times too large at one element.
Variable wrong_mul(const Variable& a, const Variable& b, const Shape& index, double factor) {
  return record(
      "wrong_mul", mul(a.value(), b.value()), {a, b}, Keep::inputs, [](const Step& s) { return s.grad * s.input(1); },
      [=](const Step& s) {
        return s.grad * s.input(0) *
               (only_at(s.input_shape(0), index) * (factor - 1.0) + Tensor::scalar(1, DType::f64));
      });
}

// sin, whose rule computes the first derivative right, but as a constant.
Variable sin_of_first_order(const Variable& x) {
  return record("sin", sin(x.value()), {x}, Keep::inputs,
                [](const Step& s) { return s.grad * cos(s.input(0)).detach(); });
}

}  // namespace

TEST_CASE("gradcheck: passes what is right", "[grad]") {
  const auto f = [](const Args& x) { return tanh(matmul(x[0], x[1])) * exp(x[2]); };
  for (const bool full : {false, true}) {
    const GradcheckResult result =
        gradcheck(f, {uniform({2, 3}), uniform({3, 2}, 2), uniform({2}, 3)}, {.order = 2, .full_jacobian = full});
    INFO(result.message);
    CHECK(result.ok);
    CHECK(result.kinks == 0);
    CHECK(result.worst.error > 0);
    CHECK(result.worst.error < 1e-9);
    CHECK_THAT(result.message, Contains(" comparisons, worst error "));
  }
}

TEST_CASE("gradcheck: single precision inputs are checked in double, integers are left alone", "[grad]") {
  const Tensor index = Tensor::from<int64_t>({0, 2}, {2, 1});
  const auto f = [](const Args& x) { return square(gather(x[0], 1, x[1])); };
  CHECK(gradcheck(f, {uniform({2, 3}).to(DType::f32), index}, {.order = 2}).ok);
}

TEST_CASE("gradcheck: finds a wrong rule and its worst element", "[grad]") {
  const Tensor a = uniform({3, 4}), b = uniform({3, 4}, 2);
  for (const bool full : {false, true}) {
    const auto f = [](const Args& x) { return wrong_mul(x[0], x[1], {2, 1}, 1.5); };
    const GradcheckResult result = gradcheck(f, {a, b}, {.full_jacobian = full});
    CHECK_FALSE(result.ok);
    CHECK(result.worst.input == 1);
    CHECK(result.worst.index == Shape{2, 1});
    CHECK_THAT(result.worst.analytic, WithinRel(1.5 * result.worst.numeric, 1e-9));
    CHECK_THAT(result.worst.error, WithinRel(1.0 / 3, 1e-6));
    CHECK_THAT(result.message, StartsWith("gradient of input 1 at [2, 1]: analytic "));
  }
  // A relative error of 1e-6 in one element of twelve is found too.
  const auto slightly = [](const Args& x) { return wrong_mul(x[0], x[1], {0, 3}, 1 + 1e-6); };
  const GradcheckResult result = gradcheck(slightly, {a, b});
  CHECK_FALSE(result.ok);
  CHECK(result.worst.index == Shape{0, 3});
}

TEST_CASE("gradcheck: order 2 finds a rule that cannot be differentiated", "[grad]") {
  const auto f = [](const Args& x) { return sin_of_first_order(x[0]); };
  CHECK(gradcheck(f, {uniform({4})}).ok);
  const GradcheckResult result = gradcheck(f, {uniform({4})}, {.order = 2});
  CHECK_FALSE(result.ok);
  CHECK(result.worst.order == 2);
  CHECK_THAT(result.message, StartsWith("order 2: gradient of input 0 at ["));
}

TEST_CASE("gradcheck: recognises kinks inside the step and at the point", "[grad]") {
  const Tensor inside = Tensor::from<double>({1, 3e-5, -2e-5, -1});
  GradcheckResult result = gradcheck([](const Args& x) { return relu(x[0]); }, {inside}, {.order = 2});
  INFO(result.message);
  CHECK(result.ok);
  CHECK(result.kinks > 0);

  const Tensor at = Tensor::from<double>({1, 0, 0, -1});
  for (const bool full : {false, true}) {
    result = gradcheck([](const Args& x) { return relu(x[0]); }, {at}, {.full_jacobian = full});
    INFO(result.message);
    CHECK(result.ok);
    CHECK(result.kinks >= 2);
  }

  const Tensor tied = Tensor::from<double>({2, 1, 2, 2}, {1, 2, 2, 1});
  result = gradcheck([](const Args& x) { return max_pool2d(x[0], {.kernel = 2}); }, {tied});
  INFO(result.message);
  CHECK(result.ok);
  CHECK(result.kinks > 0);
}

TEST_CASE("gradcheck: a wrong rule beside a kink is still wrong", "[grad]") {
  const Tensor x = Tensor::from<double>({3e-5, 0, 1.5, -1.5});
  const auto f = [](const Args& in) { return relu(in[0]) + wrong_mul(in[0], in[0], {2}, 1.01); };
  const GradcheckResult result = gradcheck(f, {x});
  CHECK_FALSE(result.ok);
  CHECK(result.worst.index == Shape{2});
}

namespace {

// (y - mean y) / deviation of y = x + b: a gradient by b that is 0, behind numbers of size 1000 whose differences are
// of size 0.001, so that rounding is a million times what one would guess from the result.
Variable normalised_sum(const Variable& x, const Variable& b) {
  const Variable y = x + b;
  const Variable d = y - mean(y);
  return d / sqrt(mean(square(d)));
}

// b, with a derivative that is off by `error`.
Variable slightly_wrong(const Variable& b, double error) {
  return record("slightly_wrong", b.value().clone(), {b}, Keep::nothing, [=](const Step& s) { return s.grad + error; });
}

}  // namespace

TEST_CASE("gradcheck: a gradient that is 0 up to rounding is measured by the function's rounding", "[grad]") {
  const Tensor x = uniform({50}) * 1e-3 + 1e3, b = Tensor::from<double>({0.5});
  const auto f = [](const Args& in) { return normalised_sum(in[0], in[1]); };
  for (uint64_t seed = 0; seed < 10; ++seed) {
    // A step of the size of x's differences is beyond what they are good for.
    const GradcheckResult result = gradcheck(f, {x, b}, {.eps = 1e-6, .tolerance = 1e-4, .seed = seed});
    INFO("seed " << seed << ": " << result.message);
    CHECK(result.ok);
    CHECK(result.kinks == 0);
    CHECK(result.worst.error <= 1e-4);
  }
}

TEST_CASE("gradcheck: a wrong gradient where it should be 0 is found", "[grad]") {
  // The gradients by x are of size 1000: off by 1 in 1000, and by what stands out of the rounding alone.
  const Tensor x = uniform({50}) * 1e-3 + 1e3, b = Tensor::from<double>({0.5});
  for (const double error : {1.0, -0.1}) {
    const auto f = [=](const Args& in) { return normalised_sum(in[0], slightly_wrong(in[1], error)); };
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const GradcheckResult result = gradcheck(f, {x, b}, {.eps = 1e-6, .tolerance = 1e-4, .seed = seed});
      INFO("error " << error << ", seed " << seed << ": " << result.message);
      CHECK_FALSE(result.ok);
      CHECK(result.worst.input == 1);
    }
  }
}

TEST_CASE("gradcheck: refuses what it cannot check") {
  CHECK_THROWS_MATCHES(gradcheck([](const Args& x) { return x[0]; }, {Tensor::arange(3)}), ShapeError,
                       Message("gradcheck: none of the 1 inputs is of a floating type"));
  CHECK_THROWS_MATCHES(gradcheck([](const Args& x) { return Variable(x[0].value().to(DType::f32)); }, {uniform({2})}),
                       Error, Message("gradcheck: f computes in another dtype than f64, that of its inputs"));
  Rng rng(1);
  const auto noisy = [&](const Args& x) { return x[0] * Tensor::uniform({2}, 0, 1, rng, DType::f64); };
  CHECK_THROWS_MATCHES(gradcheck(noisy, {uniform({2})}), Error,
                       Message("gradcheck: f gives another result when called again"));
  CHECK_THROWS_MATCHES(gradcheck([](const Args& x) { return x[0]; }, {uniform({2})}, {.order = 0}), ShapeError,
                       Message("gradcheck: order 0, eps 0.0001 and tolerance 1e-08 must be positive"));
}

TEST_CASE("hessian_vector_product: of a quadratic form, and of one variable among others", "[grad]") {
  const Tensor m = uniform({4, 4}), x = uniform({4, 1}, 2), v = uniform({4, 1}, 3);
  const auto quadratic = [&](const Args& in) { return sum(in[0] * matmul(m, in[0])); };
  const Tensor expected = matmul(m, v) + matmul(m.transpose(), v);  // (M + M^T) v
  CHECK(relative_distance(hessian_vector_product(quadratic, {x}, {v})[0], expected) < 1e-14);

  const auto partly = [](const Args& in) { return sum(in[0] * in[0] * in[0]) + sum(in[1]); };
  const auto hv = hessian_vector_product(partly, {x, x}, {v, v});
  CHECK(relative_distance(hv[0], x * v * 6.0) < 1e-14);
  CHECK(norm(hv[1]) == 0.0);
  const auto linear = hessian_vector_product([](const Args& in) { return sum(in[0]); }, {x}, {v});
  CHECK(norm(linear[0]) == 0.0);
}

TEST_CASE("a gradient penalty has the gradient that differences give", "[grad]") {
  // sum_w (d loss / d x)^2 by w, through a convolution, a ReLU-like curve and cross-entropy.
  const Tensor labels = Tensor::from<int64_t>({1, 0});
  const auto penalty = [&](const Args& in) {
    const Variable w1 = in[0], w2 = in[1];
    const RecordingGuard recording(true);
    const Variable x(uniform({2, 4, 4, 2}, 5), true);
    const Variable logits = global_avg_pool(conv2d(silu(conv2d(x, w1, {}, {.padding = 1})), w2));
    return sum(square(grad({cross_entropy(logits, labels)}, {x}, CreateGraph::yes)[0])) * 100.0;
  };
  const GradcheckResult result = gradcheck(penalty, {uniform({3, 3, 3, 2}), uniform({3, 1, 1, 3}, 2)});
  INFO(result.message);
  CHECK(result.ok);
}

}  // namespace kindling
