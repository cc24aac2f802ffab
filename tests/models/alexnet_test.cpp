// Both AlexNets.
#include <kindling/models/alexnet.h>

#include <catch2/catch.hpp>

#include <kindling/nn/summary.h>

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

}  // namespace

TEST_CASE("AlexNet in Caffe's form", "[model]") {
  Rng rng(1);
  Sequential net = alexnet({.form = Form::caffe}, rng);
  CHECK(net.parameter_count() == 60'965'224);
  const Summary summary = summarize(net, {1, 227, 227, 3});
  check_rows(summary, {{"conv1", {1, 55, 55, 96}},  {"relu1", {1, 55, 55, 96}},  {"norm1", {1, 55, 55, 96}},
                       {"pool1", {1, 27, 27, 96}},  {"conv2", {1, 27, 27, 256}}, {"relu2", {1, 27, 27, 256}},
                       {"norm2", {1, 27, 27, 256}}, {"pool2", {1, 13, 13, 256}}, {"conv3", {1, 13, 13, 384}},
                       {"relu3", {1, 13, 13, 384}}, {"conv4", {1, 13, 13, 384}}, {"relu4", {1, 13, 13, 384}},
                       {"conv5", {1, 13, 13, 256}}, {"relu5", {1, 13, 13, 256}}, {"pool5", {1, 6, 6, 256}},
                       {"flatten", {1, 9216}},      {"fc6", {1, 4096}},          {"relu6", {1, 4096}},
                       {"dropout6", {1, 4096}},     {"fc7", {1, 4096}},          {"relu7", {1, 4096}},
                       {"dropout7", {1, 4096}},     {"fc8", {1, 1000}}});
  // 55^2 96 363 + 27^2 256 1200 + 13^2 (384 2304 + 384 1728 + 256 1728) + 9216 4096 + 4096^2 + 4096 1000
  CHECK(summary.macs == 724'406'816);
  CHECK_THROWS_WITH(
      net(Tensor::zeros({1, 259, 259, 3})),
      "fc6: linear: weight expects 9216 features in the last axis: input [1, 12544], weight [4096, 9216]");
}

TEST_CASE("AlexNet in torchvision's form", "[model]") {
  Rng rng(1);
  Sequential net = alexnet({}, rng);
  CHECK(net.parameter_count() == 61'100'840);
  const Summary summary = summarize(net, {1, 224, 224, 3});
  check_rows(summary, {{"conv1", {1, 55, 55, 64}},  {"relu1", {1, 55, 55, 64}},  {"pool1", {1, 27, 27, 64}},
                       {"conv2", {1, 27, 27, 192}}, {"relu2", {1, 27, 27, 192}}, {"pool2", {1, 13, 13, 192}},
                       {"conv3", {1, 13, 13, 384}}, {"relu3", {1, 13, 13, 384}}, {"conv4", {1, 13, 13, 256}},
                       {"relu4", {1, 13, 13, 256}}, {"conv5", {1, 13, 13, 256}}, {"relu5", {1, 13, 13, 256}},
                       {"pool5", {1, 6, 6, 256}},   {"flatten", {1, 9216}},      {"dropout5", {1, 9216}},
                       {"fc6", {1, 4096}},          {"relu6", {1, 4096}},        {"dropout6", {1, 4096}},
                       {"fc7", {1, 4096}},          {"relu7", {1, 4096}},        {"fc8", {1, 1000}}});
}
