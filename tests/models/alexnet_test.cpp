// The AlexNets.
#include <kindling/models/alexnet.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/models/registry.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/summary.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/reduce.h>

using namespace kindling;

namespace {

struct Row {
  std::string name;
  Shape shape;
};
void check_rows(const Summary& summary, const std::vector<Row>& table) {
  REQUIRE(summary.layers.size() == table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    CHECK(summary.layers[i].name == table[i].name);
    CHECK(summary.layers[i].output_shape == table[i].shape);
  }
}

Tensor parameter(Module& net, const std::string& name) {
  for (const NamedParameter& entry : net.named_parameters())
    if (entry.name == name) return entry.value.value();
  FAIL("no parameter " << name);
  return {};
}

/// ReLU is in every layer with weights but the last.
void check_relu(Sequential& net) {
  for (const std::string layer : {"conv1", "conv2", "conv3", "conv4", "conv5"}) {
    CAPTURE(layer);
    CHECK(dynamic_cast<Conv2d&>(net.at(layer)).relu());
  }
  for (const std::string layer : {"fc6", "fc7", "fc8"}) {
    CAPTURE(layer);
    CHECK(dynamic_cast<Linear&>(net.at(layer)).relu() == (layer != "fc8"));
  }
}

double largest(const Tensor& x) { return max(abs(x)).item(); }

}  // namespace

TEST_CASE("AlexNet in Caffe's form", "[model]") {
  Rng rng(1);
  Sequential net = alexnet({.form = Form::caffe}, rng);
  CHECK(net.parameter_count() == 60'965'224);
  check_relu(net);
  const Summary summary = summarize(net, {1, 227, 227, 3});
  check_rows(summary, {{"conv1", {1, 55, 55, 96}},
                       {"norm1", {1, 55, 55, 96}},
                       {"pool1", {1, 27, 27, 96}},
                       {"conv2", {1, 27, 27, 256}},
                       {"norm2", {1, 27, 27, 256}},
                       {"pool2", {1, 13, 13, 256}},
                       {"conv3", {1, 13, 13, 384}},
                       {"conv4", {1, 13, 13, 384}},
                       {"conv5", {1, 13, 13, 256}},
                       {"pool5", {1, 6, 6, 256}},
                       {"flatten", {1, 9216}},
                       {"fc6", {1, 4096}},
                       {"dropout6", {1, 4096}},
                       {"fc7", {1, 4096}},
                       {"dropout7", {1, 4096}},
                       {"fc8", {1, 1000}}});
  // 55^2 96 363 + 27^2 256 1200 + 13^2 (384 2304 + 384 1728 + 256 1728) + 9216 4096 + 4096^2 + 4096 1000
  CHECK(summary.macs == 724'406'816);
  for (const std::string layer : {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"}) {
    CAPTURE(layer);
    const bool zero = layer == "conv1" || layer == "conv3" || layer == "fc8", wide = layer[0] == 'c' || layer == "fc8";
    const Tensor weight = parameter(net, layer + "/weight"), bias = parameter(net, layer + "/bias");
    CHECK(bitwise_equal(bias, Tensor::full(bias.shape(), zero ? 0.0 : 0.1)));
    const auto n = static_cast<double>(weight.numel());
    CHECK_THAT(norm(weight) / std::sqrt(n), Catch::WithinRel(wide ? 0.01 : 0.005, 5 / std::sqrt(2 * n)));
  }
  // (1 + 1e-4 / 5 times the energy of five channels)^0.75, which is 7.0 where all of them are 1000.
  for (const std::string layer : {"norm1", "norm2"}) {
    const Tensor y = net.at(layer)(Tensor::full({1, 1, 1, 9}, 1000)).value();
    CHECK_THAT(y.at<float>({0, 0, 0, 4}), Catch::WithinRel(1000 / std::pow(1 + 1e-4 / 5 * 5e6, 0.75), 1e-5));
  }
  CHECK_THROWS_WITH(
      net(Tensor::zeros({1, 259, 259, 3})),
      "fc6: linear: weight expects 9216 features in the last axis: input [1, 12544], weight [4096, 9216]");
}

TEST_CASE("AlexNet in torchvision's form", "[model]") {
  Rng rng(1);
  Sequential net = alexnet({}, rng);
  CHECK(net.parameter_count() == 61'100'840);
  check_relu(net);
  const Summary summary = summarize(net, {1, 224, 224, 3});
  check_rows(summary, {{"conv1", {1, 55, 55, 64}},
                       {"pool1", {1, 27, 27, 64}},
                       {"conv2", {1, 27, 27, 192}},
                       {"pool2", {1, 13, 13, 192}},
                       {"conv3", {1, 13, 13, 384}},
                       {"conv4", {1, 13, 13, 256}},
                       {"conv5", {1, 13, 13, 256}},
                       {"pool5", {1, 6, 6, 256}},
                       {"flatten", {1, 9216}},
                       {"dropout5", {1, 9216}},
                       {"fc6", {1, 4096}},
                       {"dropout6", {1, 4096}},
                       {"fc7", {1, 4096}},
                       {"fc8", {1, 1000}}});
  // PyTorch's initialisation fills +-1 / sqrt(fan in), biases too.
  for (const std::string layer : {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"}) {
    CAPTURE(layer);
    const Tensor weight = parameter(net, layer + "/weight");
    const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));
    for (const Tensor& x : {weight, parameter(net, layer + "/bias")}) {
      CHECK(largest(x) <= bound * (1 + 1e-7));  // rounding to f32
      CHECK(largest(x) > bound * 0.9);          // of 64 draws one is there with probability 0.999
    }
  }
}

TEST_CASE("AlexNet for images of 32 pixels", "[model]") {
  Rng rng(1);
  Sequential net = alexnet_cifar({}, rng);
  // 5 5 3 64 + 64, 5 5 64 192 + 192, 9 192 384 + 384, 9 384 256 + 256, 9 256 256 + 256, twice 4096^2 + 4096, 4096 10 +
  // 10
  CHECK(net.parameter_count() == 36'054'858);
  check_relu(net);
  const Summary summary = summarize(net, {1, 32, 32, 3});
  check_rows(summary, {{"conv1", {1, 32, 32, 64}},
                       {"pool1", {1, 16, 16, 64}},
                       {"conv2", {1, 16, 16, 192}},
                       {"pool2", {1, 8, 8, 192}},
                       {"conv3", {1, 8, 8, 384}},
                       {"conv4", {1, 8, 8, 256}},
                       {"conv5", {1, 8, 8, 256}},
                       {"pool5", {1, 4, 4, 256}},
                       {"flatten", {1, 4096}},
                       {"dropout5", {1, 4096}},
                       {"fc6", {1, 4096}},
                       {"dropout6", {1, 4096}},
                       {"fc7", {1, 4096}},
                       {"fc8", {1, 10}}});
  // 32^2 64 75 + 16^2 192 1600 + 8^2 (384 1728 + 256 3456 + 256 2304) + 2 4096^2 + 4096 10
  CHECK(summary.macs == 253'992'960);
  CHECK(net.definition().model == "alexnet_cifar");
  CHECK(net.definition().options.at("classes") == "10");
  CHECK_THROWS_WITH(make_model("alexnet_cifar", {.size = 64}, rng),
                    "model 'alexnet_cifar' takes images of 32 pixels and 3 channels in this form, not 64 pixels and 3 "
                    "channels");
}
