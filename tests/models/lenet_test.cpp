// LeNet.
#include <kindling/models/lenet.h>

#include <catch2/catch.hpp>

#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/summary.h>

using namespace kindling;

TEST_CASE("LeNet for MNIST has 431,080 parameters", "[model]") {
  Rng rng(1);
  Sequential net = lenet({}, rng);
  CHECK(net.parameter_count() == 431'080);
  const Summary summary = summarize(net, {1, 28, 28, 1});
  const std::vector<std::pair<std::string, Shape>> table{
      {"conv1", {1, 24, 24, 20}}, {"pool1", {1, 12, 12, 20}}, {"conv2", {1, 8, 8, 50}}, {"pool2", {1, 4, 4, 50}},
      {"flatten", {1, 800}},      {"fc1", {1, 500}},          {"fc2", {1, 10}}};
  REQUIRE(summary.layers.size() == table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    CHECK(summary.layers[i].name == table[i].first);
    CHECK(summary.layers[i].output_shape == table[i].second);
  }
  CHECK(net.named_parameters()[4].name == "fc1/weight");
  for (const std::string layer : {"conv1", "conv2"}) CHECK_FALSE(dynamic_cast<Conv2d&>(net.at(layer)).relu());
  CHECK(dynamic_cast<Linear&>(net.at("fc1")).relu());
  CHECK_FALSE(dynamic_cast<Linear&>(net.at("fc2")).relu());
}

TEST_CASE("LeNet fits any size, channels and classes", "[model]") {
  const int64_t size = GENERATE(13, 14, 29, 30, 31, 32);
  Rng rng(1);
  CHECK(lenet({.classes = 7, .channels = 3, .size = size}, rng)(Tensor::zeros({2, size, size, 3})).shape() ==
        Shape{2, 7});
}

TEST_CASE("LeNet refuses images that leave no pixel", "[model]") {
  Rng rng(1);
  CHECK_THROWS_WITH(lenet({.size = 12}, rng), "lenet: needs images of at least 13 pixels, got 12");
}
