// Summaries of models.
#include <kindling/nn/summary.h>

#include <catch2/catch.hpp>

#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/sequential.h>

using namespace kindling;

namespace {

Sequential small_net(Rng& rng) {
  Sequential net;
  Sequential& features = net.add("features", Sequential());
  features.add("conv", Conv2d(3, 8, {.kernel = 3}, rng));
  features.add("bn", BatchNorm2d(8));
  features.add("pool", MaxPool2d({.kernel = 2}));
  net.add("flatten", Flatten());
  net.add("fc", Linear(3 * 3 * 8, 5, rng));
  return net;
}

/// Calls one layer twice.
class Twice : public Module {
 public:
  explicit Twice(Rng& rng) : layer(4, 4, rng) {}
  Linear layer;
  void visit(Visitor& v) override { v("layer", layer); }
  std::string kind() const override { return "Twice"; }

 protected:
  Variable forward(const Variable& x) override { return layer(layer(x)); }
};

}  // namespace

TEST_CASE("A summary lists every layer with its path, shape, parameters and MACs") {
  Rng rng(1);
  Sequential net = small_net(rng);
  const Summary summary = summarize(net, {1, 8, 8, 3});
  REQUIRE(summary.layers.size() == 5);
  const LayerSummary& conv = summary.layers[0];
  CHECK(conv.name == "features/conv");
  CHECK(conv.kind == "Conv2d");
  CHECK(conv.output_shape == Shape{1, 6, 6, 8});
  CHECK(conv.parameters == 8 * 27 + 8);
  CHECK(conv.macs == 36 * 8 * 27);
  CHECK(summary.layers[1].name == "features/bn");
  CHECK(summary.layers[1].parameters == 16);
  CHECK(summary.layers[2].output_shape == Shape{1, 3, 3, 8});
  CHECK(summary.layers[3].kind == "Flatten");
  CHECK(summary.layers[4].macs == 72 * 5);
  CHECK(summary.parameters == net.parameter_count());
  CHECK(summary.macs == 36 * 8 * 27 + 72 * 5);
}

TEST_CASE("At depth 1 a row stands for everything below it") {
  Rng rng(1);
  Sequential net = small_net(rng);
  const Summary all = summarize(net, {1, 8, 8, 3}), summary = summarize(net, {1, 8, 8, 3}, 1);
  REQUIRE(summary.layers.size() == 3);
  CHECK(summary.layers[0].name == "features");
  CHECK(summary.layers[0].kind == "Sequential");
  CHECK(summary.layers[0].output_shape == Shape{1, 3, 3, 8});
  CHECK(summary.layers[0].parameters == 8 * 27 + 8 + 16);
  CHECK(summary.layers[1].name == "flatten");
  CHECK(summary.layers[2].name == "fc");
  CHECK(summary.parameters == all.parameters);
  CHECK(summary.macs == all.macs);
  CHECK(summarize(net, {1, 8, 8, 3}, 2).layers.size() == 5);
}

TEST_CASE("A summary changes neither modes nor running statistics nor gradients") {
  Rng rng(1);
  Sequential net = small_net(rng);
  net.at("features").eval();
  summarize(net, {1, 8, 8, 3});
  CHECK(net.training());
  CHECK_FALSE(net.at("features").training());
  for (const NamedBuffer& buffer : net.named_buffers()) {
    const float initial = buffer.name == "features/bn/running_var" ? 1.0F : 0.0F;
    CHECK(buffer.value.to_vector<float>() == std::vector<float>(8, initial));
  }
  for (const Variable& parameter : net.parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("A layer that is called twice has its MACs twice and its parameters once") {
  Rng rng(1);
  Twice net(rng);
  const Summary summary = summarize(net, {1, 4});
  REQUIRE(summary.layers.size() == 2);
  CHECK(summary.layers[1].parameters == 0);
  CHECK(summary.parameters == net.parameter_count());
  CHECK(summary.macs == 2 * 16);
  CHECK(summarize(net, {1, 4}, 1).layers.size() == 1);
}

TEST_CASE("A single layer can be summed up, in f64 as well") {
  Rng rng(1);
  Linear layer(4, 2, rng);
  layer.to(DType::f64);
  const Summary summary = summarize(layer, {1, 4});
  REQUIRE(summary.layers.size() == 1);
  CHECK(summary.layers[0].name.empty());
  CHECK(summary.layers[0].parameters == 10);
}

TEST_CASE("A summary throws what the model throws, and puts the modes back") {
  Rng rng(1);
  Sequential net = small_net(rng);
  CHECK_THROWS_WITH(summarize(net, {1, 9, 8, 4}), Catch::StartsWith("features/conv: conv2d: input has 4 channels"));
  CHECK(net.training());
}
