#include <kindling/compress/rate_distortion.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/compress/agreement.h>
#include <kindling/compress/rate_model.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/tests/support/tensors.h>
#include <kindling/train/evaluate.h>
#include "small_model.h"

using namespace kindling;
using namespace kindling::testing;

namespace {

/// Every layer rounded to nearest on a grid of so many steps a deviation.
double bits_of_plain_rounding(Module& model, double steps) {
  double bits = 0;
  for (const WeightLayer& layer : weight_layers(model)) {
    const Tensor w = layer.weight->value();
    const double step = norm(w) / std::sqrt(static_cast<double>(w.numel())) / steps;
    std::vector<int32_t> codes;
    std::vector<float> values;
    for (const float x : w.to_vector<float>()) {
      codes.push_back(static_cast<int32_t>(std::lround(x / step)));
      values.push_back(static_cast<float>(step) * static_cast<float>(codes.back()));
    }
    const RateModel rates(codes, layer.rows(), layer.columns());
    for (int64_t i = 0; i < w.numel(); ++i)
      bits +=
          RateModel::cost(rates.at(i / layer.columns(), i % layer.columns()), std::abs(codes[static_cast<size_t>(i)]));
    layer.weight->value().copy_(Tensor::from(values, w.shape()));
  }
  return bits;
}

}  // namespace

TEST_CASE("quantise: less divergence than rounding to nearest at the same size") {
  const data::DatasetPtr pictures = small_pictures(40);
  Sequential original = small_model(), plain = small_model(), net = small_model();
  const Tensor before = logits_of(original, *pictures);
  const double bits = bits_of_plain_rounding(plain, 1.5);
  const auto bytes = static_cast<int64_t>(bits / 8) + 13;  // a byte for each bias
  const QuantisedModel quantised = quantise(net, calibrate(net, pictures, {.labels = 20}), {.target_bytes = bytes});
  CHECK(quantised.estimated_bytes() <= bytes);
  CHECK(quantised.estimated_bytes() > bytes * 95 / 100);
  const double ours = mean_divergence(before, logits_of(net, *pictures));
  CHECK(ours < 0.5 * mean_divergence(before, logits_of(plain, *pictures)));
}

TEST_CASE("quantise: the model has the weights of the codes, and set_weights puts them into another") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential net = small_model(), other = small_model(2);
  const QuantisedModel quantised = quantise(net, calibrate(net, pictures), {.lambda = 1e-4});
  CHECK(quantised.lambda == 1e-4);
  set_weights(other, quantised);
  const std::vector<WeightLayer> a = weight_layers(net), b = weight_layers(other);
  for (size_t i = 0; i < a.size(); ++i) {
    CHECK(quantised.layers[i].path == a[i].path);
    CHECK(bitwise_equal(a[i].weight->value(), b[i].weight->value()));
    CHECK(a[i].weight->value().to_vector<float>()[5] ==
          quantised.layers[i].step * static_cast<float>(quantised.layers[i].codes[5]));
    REQUIRE(a[i].bias->defined() == !quantised.layers[i].bias_codes.empty());
    if (a[i].bias->defined()) CHECK(bitwise_equal(a[i].bias->value(), b[i].bias->value()));
  }
  Rng rng(1);
  Linear wrong(3, 2, rng);
  check_throws<Error>([&] { set_weights(wrong, quantised); },
                      "set_weights: the model has no layer conv1 of that shape");
}

TEST_CASE("quantise: a cheaper bit makes the grid of biases finer, and they come near what they were") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential coarse = small_model(), fine = small_model();
  Rng rng(9);
  for (Sequential* net : {&coarse, &fine}) {
    Rng same = rng;
    for (const WeightLayer& layer : weight_layers(*net))
      if (layer.bias->defined()) layer.bias->value().copy_(Tensor::uniform(layer.bias->shape(), -1, 1, same));
  }
  const Tensor before = weight_layers(fine)[0].bias->value().clone();
  const Calibration calibration = calibrate(fine, pictures);
  const QuantisedModel dear = quantise(coarse, calibration, {.lambda = 1e-3});
  const QuantisedModel cheap = quantise(fine, calibration, {.lambda = 1e-11});
  CHECK(cheap.layers[0].bias_step == Approx(dear.layers[0].bias_step / 10000));
  check_close(weight_layers(fine)[0].bias->value(), before, 1e-3);
}

TEST_CASE("coded_tensors: what they decode to is the model") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential net = small_model();
  const QuantisedModel quantised = quantise(net, calibrate(net, pictures), {.lambda = 1e-4});
  const std::vector<CodedTensor> tensors = coded_tensors(net, quantised);
  const std::vector<NamedParameter> parameters = net.named_parameters();
  REQUIRE(tensors.size() == parameters.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    CHECK(tensors[i].name == parameters[i].name);
    CHECK(tensors[i].coding == Coding::grid);
    CHECK(bitwise_equal(tensors[i].decoded(), parameters[i].value.value()));
  }
}

TEST_CASE("quantise: the caller's size counts, and progress is told") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential net = small_model();
  const Calibration calibration = calibrate(net, pictures);
  int64_t calls = 0;
  const QuantisedModel quantised = quantise(net, calibration,
                                            {.target_bytes = 2000,
                                             .size = [](const QuantisedModel& q) { return 4 * q.estimated_bytes(); },
                                             .progress =
                                                 [&](int64_t done, int64_t total) {
                                                   ++calls;
                                                   CHECK(done <= total);
                                                 }});
  CHECK(4 * quantised.estimated_bytes() <= 2000);
  CHECK(4 * quantised.estimated_bytes() > 1800);
  CHECK(calls >= 3);
}

TEST_CASE("quantise: same bits for any number of threads") {
  const data::DatasetPtr pictures = small_pictures(8);
  const ThreadsGuard one(1);
  const auto run = [&] {
    Sequential net = small_model();
    quantise(net, calibrate(net, pictures), {.target_bytes = 500});
    return logits_of(net, *pictures);
  };
  const Tensor expected = run();
  for (const int n : {2, 4}) {
    set_num_threads(n);
    CHECK(bitwise_equal(run(), expected));
  }
}

TEST_CASE("quantise: mistakes leave the model alone") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential net = small_model();
  const Calibration calibration = calibrate(net, pictures);
  const Tensor before = net.named_parameters()[0].value.value().clone();
  CHECK_THROWS_AS(quantise(net, calibration, {}), Error);
  CHECK_THROWS_AS(quantise(net, calibration, {.lambda = 1, .target_bytes = 1}), Error);
  check_throws<Error>([&] { quantise(net, calibration, {.target_bytes = 1}); },
                      "quantise: the model does not get as small as 1 B");
  std::atomic<bool> stop = true;
  CHECK_THROWS_AS(quantise(net, calibration, {.lambda = 1, .stop = &stop}), Stopped);
  CHECK(bitwise_equal(net.named_parameters()[0].value.value(), before));
  Rng rng(1);
  Linear other(3, 2, rng);
  CHECK_THROWS_WITH(quantise(other, calibration, {.lambda = 1}),
                    Catch::Contains("the calibration is of another model"));
}

TEST_CASE("quantise: pictures of which the model is certain tell nothing, and that is said") {
  const data::DatasetPtr pictures = small_pictures(8);
  Sequential net = small_model();
  const auto before = weight_layers(net).back().weight->value().to_vector<float>();
  Calibration calibration = calibrate(net, pictures);
  for (Curvature& group : calibration.layers.back().groups) group.hessian = group.hessian * 1e-30;
  CHECK_THROWS_WITH(quantise(net, calibration, {.lambda = 1e-4}),
                    Catch::Matchers::Contains("calibrate on pictures that it was not trained on"));
  CHECK(weight_layers(net).back().weight->value().to_vector<float>() == before);
}
