// Parameters that do not learn, and the layers that hold them.
#include <kindling/nn/freeze.h>

#include <catch2/catch.hpp>

#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/layer_range.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>
#include <kindling/tensor/elementwise.h>

using namespace kindling;
using Catch::Matchers::Message;

namespace {

Sequential net(uint64_t seed = 1) {
  Rng rng(seed);
  Sequential result;
  result.add("conv1", Conv2d(2, 3, {.kernel = 3, .bias = false}, rng));
  result.add("norm1", BatchNorm2d(3));
  result.add("drop", Dropout(0.5, rng));
  result.add("conv10", Conv2d(3, 4, {.kernel = 1}, rng));
  result.add("pool", GlobalAvgPool());
  return result;
}

}  // namespace

TEST_CASE("freeze: parameters by a regular expression, in the model itself") {
  Sequential model = net();
  CHECK(freeze(model, "^conv1/|norm1/b") == std::vector<std::string>{"conv1/weight", "norm1/bias"});
  std::vector<std::string> left;
  for (const auto& [name, parameter] : trainable(model)) left.push_back(name);
  CHECK(left == std::vector<std::string>{"norm1/weight", "conv10/weight", "conv10/bias"});
  CHECK_FALSE(model.parameters()[0].requires_grad());
  CHECK(head_of(model) == "conv10");
}

TEST_CASE("freeze: an expression that is none, or that no name matches") {
  Sequential model = net();
  CHECK_THROWS_MATCHES(freeze(model, "("), Error,
                       Message("freeze: \"(\" is no regular expression: Unmatched ( or \\("));
  CHECK_THROWS_MATCHES(freeze(model, "fc"), Error,
                       Message("freeze: \"fc\" matches no parameter; they are the weights and biases of conv1, norm1, "
                               "conv10"));
  CHECK(trainable(model).size() == model.parameters().size());
}

TEST_CASE("Batch normalisation all of whose parameters are frozen keeps its statistics in training") {
  Rng rng(2);
  const Tensor x = Tensor::normal({4, 5, 5, 2}, 3.0, 1.0, rng);
  for (const bool frozen : {false, true}) {
    Sequential model = net();
    freeze(model, frozen ? "norm1" : "norm1/weight");
    {
      const FrozenLayers hold(model);
      model(x);
      CHECK(model.at("norm1").training() == !frozen);
      CHECK(model.at("drop").training());
    }
    CHECK(model.at("norm1").training());
    CHECK(bitwise_equal(model.named_buffers()[0].value, Tensor::zeros({3})) == frozen);
  }
}

TEST_CASE("LayerRange: a model in two parts gives what it gives in one, and its parts keep their names") {
  Rng rng(2);
  Sequential model = net();
  model.eval();
  const Tensor x = Tensor::normal({2, 5, 5, 2}, 0.0, 1.0, rng);
  LayerRange front(model, 0, 2), back(model, 2, 5);
  CHECK(bitwise_equal(back(front(x)).value(), model(x).value()));
  CHECK(back.named_parameters()[0].name == "conv10/weight");
  CHECK(back.named_parameters().size() == 2);
  CHECK_THROWS_AS(LayerRange(model, 3, 6), ShapeError);
}
