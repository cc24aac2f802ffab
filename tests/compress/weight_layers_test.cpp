#include <kindling/compress/weight_layers.h>

#include <catch2/catch.hpp>

#include <kindling/tests/support/tensors.h>
#include "small_model.h"

using namespace kindling;

TEST_CASE("weight_layers: convolutions and fully connected layers, with their paths, matrices and groups") {
  Sequential net = testing::small_model();
  const std::vector<WeightLayer> layers = weight_layers(net);
  REQUIRE(layers.size() == 3);
  CHECK(layers[0].path == "conv1");
  CHECK(layers[0].rows() == 8);
  CHECK(layers[0].columns() == 27);
  CHECK(layers[1].path == "conv2");
  CHECK(layers[1].groups == 2);
  CHECK(layers[1].columns() == 36);
  CHECK_FALSE(layers[1].bias->defined());
  CHECK(layers[2].path == "fc");
  CHECK(layers[2].weight->shape() == Shape{5, 12});
}

TEST_CASE("weight_layers: a layer by itself, and parts of parts") {
  Rng rng(1);
  Linear linear(3, 2, rng);
  REQUIRE(weight_layers(linear).size() == 1);
  CHECK(weight_layers(linear)[0].path.empty());
  Sequential outer;
  outer.add("inner", testing::small_model());
  CHECK(weight_layers(outer)[1].path == "inner/conv2");
  std::vector<std::string> paths;
  for (const auto& [path, part] : parts_with_paths(outer)) paths.push_back(path);
  CHECK(paths ==
        std::vector<std::string>{"", "inner", "inner/conv1", "inner/pool1", "inner/conv2", "inner/pool2", "inner/fc"});
}

TEST_CASE("WeightLayer::inputs: times the rows of the weight, the outputs without bias") {
  Sequential net = testing::small_model();
  const std::vector<WeightLayer> layers = weight_layers(net);
  Rng rng(2);
  const Tensor x = testing::random({2, 4, 4, 8}, rng, DType::f32);
  const Tensor w = layers[1].weight->value().slice(0, 6, 12).reshape({6, 36});
  const NoGrad no_grad;
  const Tensor y = (*layers[1].layer)(x).value().slice(3, 6, 12);  // with ReLU
  testing::check_close(relu(matmul(layers[1].inputs(x, 1), transpose(w))).reshape(y.shape()), y, 1e-6);
  CHECK(layers[2].inputs(testing::random({5, 12}, rng, DType::f32), 0).shape() == Shape{5, 12});
}
