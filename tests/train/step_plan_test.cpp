#include <kindling/train/step_plan.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

#include <kindling/models/lenet.h>
#include <kindling/models/squeezenet.h>
#include <kindling/nn/observer.h>
#include <kindling/tensor/kernels/parallel.h>

#include "small_problem.h"

using namespace kindling;

TEST_CASE("the plan follows from the model and the batch") {
  Rng rng(1);
  SECTION("where activations outweigh weights the batch is cut for eight lanes") {
    SqueezeNet net = squeezenet_cifar({}, rng);
    const StepPlan plan = plan_step(net, Tensor::zeros({32, 32, 3}), 64);
    CHECK(plan.lanes == 8);
    CHECK(plan.micro_batch == 8);
  }
  SECTION("parts of large images are kept small") {
    SqueezeNet net = squeezenet1_1({}, rng);
    const StepPlan plan = plan_step(net, Tensor::zeros({224, 224, 3}), 128);
    CHECK(plan.lanes == 16);
    CHECK(plan.micro_batch == 2);
  }
  SECTION("a small batch has fewer lanes") {
    Sequential net = lenet({}, rng);
    const StepPlan plan = plan_step(net, Tensor::zeros({28, 28, 1}), 120, 40);
    CHECK(plan.lanes == 3);
    CHECK(plan.micro_batch == 40);
  }
  SECTION("one sample is whole, whatever the network, which is not run for it") {
    SqueezeNet net = squeezenet_cifar({}, rng);
    int64_t calls = 0;
    const CallObserver count([&](Module&, const std::string&, const Variable&, const Variable&) { ++calls; });
    CHECK(plan_step(net, Tensor::zeros({32, 32, 3}), 1).lanes == 1);
    CHECK(plan_step(net, Tensor::zeros({32, 32, 3}), 1).micro_batch == 1);
    CHECK(calls == 0);
  }
  SECTION("where weights outweigh activations there are fewer lanes, or the batch stays whole") {
    Sequential net = lenet({}, rng);
    const Tensor sample = Tensor::zeros({28, 28, 1});
    CHECK(plan_step(net, sample, 256).lanes == 8);
    CHECK(plan_step(net, sample, 64).lanes == 4);
    CHECK(plan_step(net, sample, 64).micro_batch == 16);
    CHECK(plan_step(net, sample, 16).lanes == 1);
    CHECK(plan_step(net, sample, 16).micro_batch == 16);
    CHECK(plan_step(net, sample, 64, 8).lanes == 4);
    CHECK(plan_step(net, sample, 16, 8).lanes == 1);
    CHECK(plan_step(net, sample, 16, 8).micro_batch == 8);
  }
  SECTION("batch statistics need the whole batch, but only in training") {
    Sequential net = small_net(1, /*batch_norm=*/true);
    const Tensor sample = Tensor::zeros({8, 8, 2});
    CHECK(plan_step(net, sample, 32).lanes == 1);
    CHECK(plan_step(net, sample, 32, 32).lanes == 1);
    CHECK_THROWS_MATCHES(plan_step(net, sample, 32, 4), ShapeError,
                         Catch::Message("plan_step: micro-batches of 4 would change the batch statistics that "
                                        "norm1/running_mean is computed from: leave micro_batch at 0"));
    net.eval();
    CHECK(plan_step(net, sample, 32).lanes == 8);
  }
}

TEST_CASE("a batch is cut into consecutive parts, the last one smaller") {
  const StepPlan plan{.micro_batch = 3, .lanes = 2};
  const std::vector<BatchPart> parts = cut_batch(plan, 8);
  REQUIRE(parts.size() == 3);
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(parts[static_cast<size_t>(i)].index == i);
    CHECK(parts[static_cast<size_t>(i)].begin == 3 * i);
    CHECK(parts[static_cast<size_t>(i)].end == std::min<int64_t>(3 * i + 3, 8));
  }
  CHECK(parts[2].of(Tensor::from(std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7})).to_vector<int64_t>() ==
        std::vector<int64_t>{6, 7});
  CHECK(cut_batch(plan, 0).empty());
}

TEST_CASE("each part is visited once: on all threads, or with one lane in order and outside of parallel loops") {
  const ThreadsGuard threads(2);
  const StepPlan plan{.micro_batch = 3, .lanes = GENERATE(1, 2)};
  CAPTURE(plan.lanes);
  std::vector<std::atomic<int>> visits(8);
  std::atomic<int> parts = 0, inside = 0;
  for_each_part(plan, 8, [&](const BatchPart& part) {
    if (plan.lanes == 1) CHECK(part.index == parts);
    ++parts;
    if (in_parallel()) ++inside;
    for (int64_t i = part.begin; i < part.end; ++i) ++visits[static_cast<size_t>(i)];
  });
  CHECK(parts == 3);
  CHECK(inside == (plan.lanes == 1 ? 0 : 3));
  for (const std::atomic<int>& visited : visits) CHECK(visited == 1);
}
