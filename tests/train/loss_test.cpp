#include <kindling/train/loss.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/softmax.h>
#include <kindling/nn/loss.h>

using namespace kindling;
using Catch::WithinRel;

namespace {

const Tensor kLogits = Tensor::from<double>({1, 2, 0.5, -1, 0, 3}, {2, 3});
const Tensor kLabels = Tensor::from<int64_t>({1, 0});

}  // namespace

TEST_CASE("classification is cross-entropy, each sample counting 1") {
  const Loss loss = classification();
  CHECK(loss(kLogits, kLabels).item() == cross_entropy(kLogits, kLabels).item());
  CHECK(loss.weight(kLabels) == 2.0);
}

TEST_CASE("label smoothing reaches the loss") {
  CHECK(classification({.label_smoothing = 0.1})(kLogits, kLabels).item() ==
        cross_entropy(kLogits, kLabels, {.label_smoothing = 0.1}).item());
}

TEST_CASE("class weights make a weighted mean, whose parts add up") {
  const Loss loss = classification({.class_weights = {1, 4, 2}});
  const auto part = [&](int64_t i) { return loss(kLogits.slice(0, i, i + 1), kLabels.slice(0, i, i + 1)).item(); };
  CHECK(loss.weight(kLabels) == 5.0);
  CHECK(loss.weight(kLabels.slice(0, 0, 1)) == 4.0);
  CHECK_THAT(loss(kLogits, kLabels).item(), WithinRel((4 * part(0) + 1 * part(1)) / 5, 1e-12));
}

TEST_CASE("any function of output and target is a loss") {
  const Loss loss = [](const Variable& output, const Tensor& target) { return mse_loss(output, target); };
  const Tensor ones = Tensor::ones({4, 1}), zeros = Tensor::zeros({4, 1});
  CHECK(loss(ones, zeros).item() == 1.0);
  CHECK(loss.weight(zeros) == 4.0);
}

TEST_CASE("options of classification that make no sense are refused") {
  CHECK_THROWS_MATCHES(classification({.label_smoothing = 1.0}), ShapeError,
                       Catch::Message("classification: label smoothing must be in [0, 1), got 1"));
  CHECK_THROWS_MATCHES(classification({.class_weights = {1, 0}}), ShapeError,
                       Catch::Message("classification: class weights must be above 0, got 0"));
  CHECK_THROWS_MATCHES(classification({.class_weights = {1, 1}}).weight(Tensor::from<int64_t>({2})), ShapeError,
                       Catch::Message("classification: label 2 for 2 class weights"));
}
