#include <kindling/train/dead_layers.h>

#include <catch2/catch.hpp>

#include <kindling/models/squeezenet.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include "small_problem.h"

using namespace kindling;

namespace {

constexpr int64_t kUpdates = DeadLayers::kUpdates;

Variable parameter(Module& net, const std::string& name) {
  for (auto& [path, value] : net.named_parameters())
    if (path == name) return value;
  throw Error("no parameter " + name);
}

/// A bias so low that ReLU passes nothing.
void kill(Module& net, const std::string& bias) { parameter(net, bias).value().fill_(-1e6); }

/// What training for `updates` updates says, "" if nothing.
std::string train(Module& net, int64_t updates, TrainerOptions how = {}, double lr = 0.01) {
  how.batch_size = 4;
  Trainer trainer(net, SGD(net.parameters(), {.lr = lr}), std::move(how));
  try {
    trainer.fit(quarters(4, 1), nullptr, {.epochs = updates});
  } catch (const DeadNetworkError& error) {
    return error.what();
  }
  return "";
}

Sequential small_net_with_relu_last() {
  Sequential net = small_net(1);
  net.add("relu3", ReLU());
  return net;
}

}  // namespace

TEST_CASE("a layer whose ReLU is 0 everywhere is named after 200 updates", "[model]") {
  SECTION("the first") {
    Sequential net = small_net(1);
    kill(net, "conv1/bias");
    CHECK_THAT(train(net, kUpdates), Catch::StartsWith("update 200: conv1 is dead: its ReLU is 0 for every sample"));
  }
  SECTION("one in the middle, though what lies before it gets no gradient either") {
    Sequential net = small_net(1);
    kill(net, "conv2/bias");
    CHECK_THAT(train(net, kUpdates), Catch::Contains("conv2 is dead"));
  }
  SECTION("the last, so that all outputs are 0") {
    Sequential net = small_net_with_relu_last();
    kill(net, "fc/bias");
    CHECK_THAT(train(net, kUpdates), Catch::Contains("fc is dead"));
  }
  SECTION("a normalisation") {
    Sequential net = small_net(1, /*batch_norm=*/true);
    kill(net, "norm1/bias");
    CHECK_THAT(train(net, kUpdates), Catch::Contains("norm1 is dead"));
  }
  SECTION("one update before it is not yet") {
    Sequential net = small_net(1);
    kill(net, "conv1/bias");
    CHECK(train(net, kUpdates - 1).empty());
  }
}

TEST_CASE("a dead layer of SqueezeNet is named", "[model]") {
  Rng rng(1);
  SqueezeNet net = squeezenet_cifar({.classes = 4, .channels = 2, .dropout = 0}, rng);
  const std::string layer = GENERATE("fire5/squeeze", "fire9/expand3x3");
  kill(net, layer + "/bias");
  CHECK_THAT(train(net, kUpdates, {.micro_batch = 2}), Catch::Contains(layer + " is dead"));
}

TEST_CASE("a branch of few filters may die", "[model]") {
  Rng rng(1);
  SqueezeNet net = squeezenet("squeezenet_cifar", {.pct3x3 = 0.99}, {.classes = 4, .channels = 2, .dropout = 0}, rng);
  for (const char* layer : {"fire2/expand1x1", "fire5/expand1x1"}) {
    CHECK(parameter(net, std::string(layer) + "/bias").numel() < DeadLayers::kFewOutputs);
    kill(net, std::string(layer) + "/bias");
  }
  CHECK(train(net, kUpdates + 50, {.micro_batch = 2}).empty());
  kill(net, "fire5/expand3x3/bias");  // then nothing passes
  CHECK_THAT(train(net, kUpdates, {.micro_batch = 2}), Catch::Contains("fire5/expand1x1 is dead"));
}

TEST_CASE("a fully connected layer with a dead ReLU is named", "[model]") {
  Rng rng(1);
  Sequential net;
  net.add("flatten", Flatten());
  net.add("fc6", Linear(8 * 8 * 2, 16, {.relu = true}, rng));
  net.add("drop6", Dropout(0.5, rng));
  net.add("fc7", Linear(16, 4, rng));
  kill(net, "fc6/bias");
  CHECK_THAT(train(net, kUpdates), Catch::Contains("fc6 is dead: its ReLU is 0 for every sample"));
}

TEST_CASE("outputs that are the same for all samples are noticed", "[model]") {
  Sequential net = small_net(1, /*batch_norm=*/false, /*dropout=*/0);
  for (const char* name : {"conv1/weight", "conv2/weight", "fc/weight"}) parameter(net, name).value().fill_(0);
  for (const char* name : {"conv1/bias", "conv2/bias"}) parameter(net, name).value().fill_(1);
  for (const char* name : {"conv1/weight", "conv1/bias", "conv2/weight", "conv2/bias"})
    parameter(net, name).set_requires_grad(false);  // fc learns, but its inputs are the same for all samples
  const int64_t micro_batch = GENERATE(0, 1, 2);
  CHECK_THAT(train(net, kUpdates, {.micro_batch = micro_batch}), Catch::Contains("the same output for 200 updates"));
}

TEST_CASE("what lives is left alone", "[model]") {
  SECTION("a frozen layer") {
    Sequential net = small_net(1);
    for (const char* name : {"conv1/weight", "conv1/bias"}) parameter(net, name).set_requires_grad(false);
    CHECK(train(net, kUpdates + 50).empty());
  }
  SECTION("a layer that the loss does not depend on") {
    struct Unused : Module {
      Rng rng{1};
      Sequential used = small_net(1);
      Linear unused{2, 2, rng};
      void visit(Visitor& v) override {
        v("used", used);
        v("unused", unused);
      }
      std::string kind() const override { return "Unused"; }
      Variable forward(const Variable& x) override { return used(x); }
    } net;
    CHECK(train(net, kUpdates + 50).empty());
  }
  SECTION("batches of one sample") {
    Sequential net = small_net(1);
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.01}), {.batch_size = 1});
    CHECK_NOTHROW(trainer.fit(quarters(1, 1), nullptr, {.epochs = kUpdates + 50}));
  }
  SECTION("copies of one sample, which cannot but have the same output") {
    Sequential net = small_net(1, /*batch_norm=*/false, /*dropout=*/0);
    const Tensor one = quarters(1, 1)->get(0).input;
    Tensor copies = Tensor::empty(one.shape().with_inserted(0, 4));
    for (int64_t i = 0; i < 4; ++i) copies.select(0, i).copy_(one);
    const auto set = std::make_shared<data::TensorDataset>(copies, Tensor::from<int64_t>({1, 1, 1, 2}));
    const int64_t micro_batch = GENERATE(0, 1, 2);
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.01}), {.batch_size = 4, .micro_batch = micro_batch});
    CHECK_NOTHROW(trainer.fit(set, nullptr, {.epochs = kUpdates + 50}));
  }
  SECTION("gradients that are 0 since everything is learned by heart") {
    Sequential net = small_net(1);
    DeadLayers watch(net);
    for (Variable& p : net.parameters()) p.grad() = Tensor::zeros(p.shape());
    for (int64_t i = 0; i < 2 * kUpdates; ++i) REQUIRE(!watch.look(0.0, true));
  }
  SECTION("gradients that are 0 less than 200 times in a row") {
    Sequential net = small_net(1);
    DeadLayers watch(net);
    const auto set_gradients = [&](double value) {
      for (Variable& p : net.parameters()) p.grad() = Tensor::full(p.shape(), value);
    };
    for (int round = 0; round < 3; ++round) {
      set_gradients(0);
      for (int64_t i = 0; i + 1 < kUpdates; ++i) REQUIRE(!watch.look(1.0, false));
      set_gradients(1);
      REQUIRE(!watch.look(1.0, false));
    }
  }
}

TEST_CASE("twenty healthy trainings are not called dead", "[model]") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    INFO("seed " << seed);
    Sequential net = small_net(seed, /*batch_norm=*/seed % 2 == 0);
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.005, .momentum = 0.9}), {.batch_size = 4, .seed = seed});
    CHECK_NOTHROW(trainer.fit(quarters(32, seed), nullptr, {.epochs = 40}));
  }
}
