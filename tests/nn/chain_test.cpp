// Layers in one pass, and side by side.
#include <kindling/nn/chain.h>

#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <kindling/autograd/graph.h>
#include <kindling/autograd/node.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/observer.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/sequential.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/index.h>
#include <kindling/tensor/pool.h>

using namespace kindling;

namespace {

const Pool2dOptions kHalve{.kernel = 2, .stride = 2};

Sequential conv_and_pool() {
  Rng rng(1);
  Sequential net;
  net.add("conv1", Conv2d(3, 8, {.kernel = 3, .relu = true, .bias_init = init::uniform(-1, 1)}, rng));
  net.add("pool1", MaxPool2d(kHalve));
  return net;
}

Tensor image() {
  Rng rng(2);
  return Tensor::uniform({2, 9, 9, 3}, -1, 1, rng);
}

Chain chain_of(const std::string& name, auto layer) {
  Chain chain;
  chain.add(name, std::move(layer));
  return chain;
}

}  // namespace

TEST_CASE("A convolution and the pool behind it are one operation, whether or not somebody looks on") {
  Sequential net = conv_and_pool();
  const Variable alone = net(image());
  CHECK(std::string(alone.node()->name) == "conv2d_max_pool2d");
  CHECK(*alone.node()->path == "conv1");

  std::map<std::string, Tensor> outputs;
  std::vector<std::string> order;
  const CallObserver observer([&](Module&, const std::string& path, const Variable& x, const Variable& y) {
    order.push_back(path);
    outputs[path] = y.value();
    if (path == "conv1") CHECK(bitwise_equal(x.value(), image()));
    if (path == "pool1") CHECK(bitwise_equal(x.value(), outputs.at("conv1")));
  });
  const Variable watched = net(image());
  CHECK(std::string(watched.node()->name) == "conv2d_max_pool2d");
  CHECK(bitwise_equal(watched.value(), alone.value()));
  CHECK(order == std::vector<std::string>{"conv1", "pool1", ""});
  const Variables parameters = net.parameters();
  const Tensor map = relu(conv2d(image(), parameters[0].value(), parameters[1].value(), {}));
  CHECK(bitwise_equal(outputs.at("conv1"), map));
  CHECK(bitwise_equal(outputs.at("pool1"), max_pool2d(map, kHalve).values));
}

TEST_CASE("In training, a batch normalisation and the pool behind it are one operation, watched or not") {
  const auto make = [] {
    auto net = std::make_unique<Sequential>();
    net->add("bn1", BatchNorm2d(3, {.relu = true}));
    net->add("pool1", MaxPool2d(kHalve));
    return net;
  };
  const auto alone = make(), watched = make(), apart = make();
  const Variable y = (*alone)(image());
  CHECK(std::string(y.node()->name) == "batch_norm_max_pool2d");
  CHECK(*y.node()->path == "bn1");
  auto& norm = dynamic_cast<BatchNorm2d&>(apart->at("bn1"));
  const Tensor map = norm(image()).value();
  {
    std::vector<std::string> order;
    const CallObserver observer([&](Module&, const std::string& path, const Variable&, const Variable& seen) {
      order.push_back(path);
      if (path == "bn1") CHECK(bitwise_equal(seen.value(), map));
    });
    CHECK(bitwise_equal((*watched)(image()).value(), y.value()));
    CHECK(order == std::vector<std::string>{"bn1", "pool1", ""});
  }
  CHECK(bitwise_equal(y.value(), max_pool2d(map, kHalve).values));
  for (Sequential* net : {alone.get(), watched.get()})  // the batch has counted once
    CHECK(bitwise_equal(dynamic_cast<BatchNorm2d&>(net->at("bn1")).running_var, norm.running_var));
  alone->eval();
  CHECK(std::string((*alone)(image()).node()->name) == "max_pool2d");
  alone->train();
  CHECK_THROWS_WITH((*alone)(Tensor::zeros({2, 9, 9, 4})), Catch::StartsWith("bn1: batch_norm: expects 3 channels"));
  CHECK_THROWS_WITH((*alone)(Tensor::zeros({2, 1, 1, 3})), Catch::StartsWith("pool1: max_pool2d: "));
}

TEST_CASE("A chain adds to the memory of a sum where its last layer can and nothing else sees it") {
  const bool with_relu = GENERATE(false, true), training = GENERATE(true, false);
  CAPTURE(with_relu, training);
  const auto make = [&] {
    Rng rng(1);
    Chain chain = chain_of("bypass", Conv2d(3, 3, {.kernel = 1, .bias = false}, rng));
    chain.add("bypass_bn", BatchNorm2d(3, {.relu = with_relu}));
    if (!training) chain[1].eval();
    return chain;
  };
  const Variable x(image(), true), weights(image());
  const auto gradient = [&](const Variable& y) { return grad({sum(y * weights)}, {x})[0].value(); };
  Chain apart = make(), joined = make(), shared = make();
  const Variable expected = x * 2.0 + apart(x);

  std::vector<std::pair<std::string, Tensor>> seen;
  Variable start = x * 2.0;
  const Storage* const memory = start.value().storage().get();
  Variable y;
  {
    const CallObserver observer([&](Module& layer, const std::string&, const Variable&, const Variable& out) {
      seen.emplace_back(layer.kind(), out.value());
    });
    y = joined.add_onto(std::move(start), x);
  }
  CHECK(y.value().storage().get() == memory);
  CHECK(bitwise_equal(y.value(), expected.value()));
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].first == "Conv2d");
  CHECK(seen[1].first == "BatchNorm2d");
  CHECK(bitwise_equal(seen[1].second, make()(x).value()));
  const auto running_var = [](Chain& chain) { return dynamic_cast<BatchNorm2d&>(chain[1]).running_var; };
  CHECK(bitwise_equal(running_var(joined), running_var(apart)));  // the batch has counted once

  const Variable held = x * 2.0;
  CHECK(bitwise_equal(shared.add_onto(Variable(held), x).value(), expected.value()));
  CHECK(bitwise_equal(held.value(), (x * 2.0).value()));
  CHECK(bitwise_equal(gradient(y), gradient(expected)));

  CHECK(bitwise_equal(Chain().add_onto(x * 2.0, x).value(), (x * 3.0).value()));  // the identity
}

TEST_CASE("Errors of layers in one pass name the layer whose mistake it is") {
  Sequential net = conv_and_pool();
  CHECK_THROWS_WITH(net(Tensor::zeros({1, 9, 9, 4})), Catch::StartsWith("conv1: conv2d: input has 4 channels"));
  CHECK_THROWS_WITH(net(Tensor::zeros({1, 3, 3, 3})), Catch::StartsWith("pool1: max_pool2d: "));
}

TEST_CASE("A pool behind a chain's last convolution, or behind other layers, runs by itself") {
  Rng rng(1);
  Sequential net;
  net.add("conv1", Conv2d(3, 8, {.kernel = 3}, rng));
  net.add("relu1", ReLU());
  net.add("pool1", MaxPool2d(kHalve));
  CHECK(std::string(net(Variable(image())).node()->name) != "conv2d_max_pool2d");
}

TEST_CASE("Chains side by side join their channels without a copy") {
  Rng rng(1);
  Chain left = chain_of("left", Conv2d(3, 4, {.kernel = 1, .relu = true}, rng));
  Chain right = chain_of("right", Conv2d(3, 5, {.kernel = 3, .padding = 1, .bias = false}, rng));
  right.add("right_bn", BatchNorm2d(5, {.relu = true}));
  std::map<std::string, Tensor> outputs;
  const CallObserver observer([&](Module& module, const std::string&, const Variable&, const Variable& y) {
    outputs[module.kind()] = y.value();
  });
  const Variable y = concat_channels(image(), {&left, &right});
  CHECK(y.shape() == Shape{2, 9, 9, 9});
  CHECK(bitwise_equal(y.value().slice(3, 0, 4).contiguous(), left(image()).value()));
  CHECK(bitwise_equal(y.value().slice(3, 4, 9).contiguous(), right(image()).value()));
  CHECK(std::string(y.node()->name) == "concat");
}

TEST_CASE("The parts write into their slices of the result, in training and in evaluation") {
  Rng rng(1);
  Chain left = chain_of("left", Conv2d(3, 4, {.kernel = 1, .relu = true}, rng));
  Chain right = chain_of("right_bn", BatchNorm2d(3));
  std::vector<Tensor> written;
  Variable y;
  {
    const CallObserver observer(
        [&](Module&, const std::string&, const Variable&, const Variable& part) { written.push_back(part.value()); });
    y = concat_channels(image(), {&left, &right});
  }
  REQUIRE(written.size() == 2);
  for (const Tensor& part : written) CHECK(part.storage() == y.value().storage());
}

TEST_CASE("Chains whose layers do not know their shapes are joined all the same") {
  Rng rng(1);
  Chain left = chain_of("left", Conv2d(3, 4, {.kernel = 1}, rng));
  Chain right = chain_of("tanh", Tanh());
  CHECK_FALSE(right.output_shape({2, 9, 9, 3}));
  const Variable y = concat_channels(image(), {&left, &right});
  CHECK(bitwise_equal(y.value(), concat(std::vector<Tensor>{left(image()).value(), right(image()).value()}, 3)));
}

TEST_CASE("A chain without layers is the identity") {
  const Chain nothing;
  CHECK(nothing(image()).shape() == Shape{2, 9, 9, 3});
  CHECK(*nothing.output_shape({2, 9, 9, 3}) == Shape{2, 9, 9, 3});
  CHECK(concat_channels(image(), {&nothing, &nothing}).shape() == Shape{2, 9, 9, 6});
}
