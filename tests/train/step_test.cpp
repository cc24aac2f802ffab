#include <kindling/train/step.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/activation.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/softmax.h>
#include <kindling/nn/loss.h>

#include "small_problem.h"

using namespace kindling;

namespace {

struct Data {
  Tensor input, target;
};

Data make_data(int64_t n, DType dtype = DType::f64) {
  Rng rng(3);
  Data data{Tensor::normal({n, 8, 8, 2}, 0.0, 1.0, rng, dtype), {}};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) labels.push_back(rng.next_below(4));
  data.target = Tensor::from(labels);
  return data;
}

std::vector<Tensor> gradients(Module& net) {
  std::vector<Tensor> result;
  for (const Variable& parameter : net.parameters()) result.push_back(parameter.grad().clone());
  return result;
}

std::vector<Tensor> step_gradients(Module& net, const Loss& loss, StepPlan plan, const Data& data) {
  GradientStep step(net, loss, plan);
  step.add(data.input, data.target, 5);
  step.finish();
  return gradients(net);
}

/// The gradient by its definition: one backward() of the whole batch, with the dropout masks of
/// batch 5.
std::vector<Tensor> reference_gradients(Module& net, const Loss& loss, const Data& data) {
  net.zero_grad();
  const RandomStep random(5);
  loss(net(data.input), data.target).backward();
  std::vector<Tensor> result = gradients(net);
  net.zero_grad();
  return result;
}

double worst_distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, relative_distance(a[i], b[i]));
  return worst;
}

constexpr double kRounding = 1e-13;  // of sums of a few hundred terms in another order, in double

/// y = x + a + b, sum over the features: a and b have the same gradient, which the engine may hand
/// out as one tensor.
struct Shared : Module {
  Variable a{Tensor::zeros({3}, DType::f64), true}, b{Tensor::zeros({3}, DType::f64), true};
  Variable unused{Tensor::zeros({2}, DType::f64), true};
  void visit(Visitor& visitor) override {
    visitor("a", a);
    visitor("b", b);
    visitor("unused", unused);
  }
  std::string kind() const override { return "Shared"; }
  Variable forward(const Variable& x) override { return x + a + b; }
};

}  // namespace

TEST_CASE("every way of cutting a batch gives the gradient of the whole") {
  Sequential net = small_net(1);
  net.to(DType::f64);
  const Data data = make_data(13);
  const Loss weighted = classification({.label_smoothing = 0.1, .class_weights = {1, 2, 3, 4}});
  for (const Loss& loss : {classification(), weighted}) {
    const std::vector<Tensor> expected = reference_gradients(net, loss, data);
    for (const StepPlan plan : {StepPlan{13, 1}, StepPlan{1, 8}, StepPlan{3, 2}, StepPlan{4, 4}, StepPlan{2, 8}}) {
      INFO("micro-batches of " << plan.micro_batch << " in " << plan.lanes << " lanes");
      CHECK(worst_distance(step_gradients(net, loss, plan, data), expected) < kRounding);
    }
  }
}

TEST_CASE("accumulated batches give the gradient of all their samples") {
  Sequential net = small_net(1, false, /*dropout=*/0);
  net.to(DType::f64);
  const Data data = make_data(11);
  for (const Loss& loss : {classification(), classification({.class_weights = {1, 2, 3, 4}})}) {
    const std::vector<Tensor> expected = reference_gradients(net, loss, data);
    GradientStep step(net, loss, {.micro_batch = 2, .lanes = 2});
    Totals totals;
    for (const auto& [begin, end] : {std::pair(0, 4), std::pair(4, 8), std::pair(8, 11)})
      totals.add(step.add(data.input.slice(0, begin, end), data.target.slice(0, begin, end), 0));
    step.finish();
    CHECK(totals.samples == 11);
    CHECK_THAT(totals.mean_loss(), Catch::WithinRel(loss(net(data.input), data.target).item(), 1e-12));
    CHECK(worst_distance(gradients(net), expected) < kRounding);
  }
}

TEST_CASE("any number of threads gives the same bits") {
  for (const bool batch_norm : {false, true}) {
    const Data data = make_data(29, DType::f32);
    std::vector<Tensor> expected;
    for (const int threads : {1, 2, 4}) {
      const ThreadsGuard guard(threads);
      Sequential net = small_net(1, batch_norm);
      const StepPlan plan = plan_step(net, data.input.select(0, 0), 29);
      CHECK(plan.lanes == (batch_norm ? 1 : 8));
      const std::vector<Tensor> result = step_gradients(net, classification(), plan, data);
      if (threads == 1) expected = result;
      CHECK(same_bits(result, expected));
    }
  }
}

TEST_CASE("parameters that share a gradient tensor do not share its sum, and unused ones have none") {
  Shared net;
  const Loss loss = [](const Variable& y, const Tensor&) { return mul(sum(y), 1.0 / static_cast<double>(y.size(0))); };
  const Data data{Tensor::ones({4, 3}, DType::f64), Tensor::zeros({4}, DType::f64)};
  for (const StepPlan plan : {StepPlan{4, 1}, StepPlan{1, 2}}) {
    GradientStep step(net, loss, plan);
    step.add(data.input, data.target, 0);
    step.add(data.input, data.target, 1);
    step.finish();
    CHECK(net.a.grad().to_vector<double>() == std::vector<double>(3, 1.0));
    CHECK(net.b.grad().to_vector<double>() == std::vector<double>(3, 1.0));
    CHECK_FALSE(net.unused.grad().defined());
  }
}

TEST_CASE("a batch that fails is forgotten, with those before it") {
  Sequential net = small_net(1, false, /*dropout=*/0);
  Data data = make_data(12, DType::f32), bad = make_data(12, DType::f32);
  bad.target.at<int64_t>({11}) = 99;
  const StepPlan plan{.micro_batch = 3, .lanes = 2};
  const std::vector<Tensor> expected = step_gradients(net, classification(), plan, data);
  GradientStep step(net, classification(), plan);
  CHECK_THROWS_AS(step.add(bad.input, bad.target, 5), ShapeError);
  step.add(data.input, data.target, 5);
  step.finish();
  CHECK(same_bits(gradients(net), expected));
}

TEST_CASE("frozen parameters get no gradient") {
  Sequential net = small_net(1);
  for (auto& [name, parameter] : net.named_parameters())
    if (name.starts_with("conv1")) parameter.set_requires_grad(false);
  const Data data = make_data(4, DType::f32);
  GradientStep step(net, classification(), {.micro_batch = 1, .lanes = 4});
  step.add(data.input, data.target, 0);
  step.finish();
  for (auto& [name, parameter] : net.named_parameters())
    if (parameter.requires_grad()) CHECK(parameter.grad().defined());

  for (Variable& parameter : net.parameters()) parameter.set_requires_grad(false);
  CHECK_THROWS_MATCHES(GradientStep(net, classification(), {}), ShapeError,
                       Catch::Message("GradientStep: no parameter requires a gradient"));
}

TEST_CASE("mistakes in losses are named") {
  Sequential net = small_net(1);
  const Data data = make_data(4, DType::f32);
  const Loss vector = [](const Variable& output, const Tensor&) { return output; };
  CHECK_THROWS_MATCHES(GradientStep(net, vector, {.micro_batch = 2, .lanes = 2}).add(data.input, data.target, 0),
                       ShapeError, Catch::Message("GradientStep: the loss must be one number, got shape [2, 4]"));
  const Loss weightless([](const Variable& y, const Tensor&) { return sum(y); }, [](const Tensor&) { return 0.0; });
  CHECK_THROWS_MATCHES(GradientStep(net, weightless, {}).add(data.input, data.target, 0), ShapeError,
                       Catch::Message("GradientStep: the samples' weights add up to 0"));
  CHECK_THROWS_MATCHES(GradientStep(net, weightless, {}).finish(), ShapeError,
                       Catch::Message("GradientStep: finish() without add()"));
}

TEST_CASE("the first NaN or Inf is traced to its layer") {
  Sequential net = small_net(1);
  Data data = make_data(6, DType::f32);
  GradientStep step(net, classification(), {.micro_batch = 1, .lanes = 2});
  CHECK_NOTHROW(step.find_nonfinite(data.input, data.target, 0));
  for (auto& [name, parameter] : net.named_parameters())
    if (name == "conv2/bias") parameter.value().fill_(INFINITY);
  try {
    step.find_nonfinite(data.input, data.target, 0);
    FAIL("must throw");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Catch::StartsWith("conv2: "));
  }
  data.input.at<float>({5, 0, 0, 0}) = NAN;
  CHECK_THROWS_MATCHES(step.find_nonfinite(data.input, data.target, 0), Error,
                       Catch::Message("the input holds a NaN or Inf"));
}
