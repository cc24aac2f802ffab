#include <kindling/compress/calibration.h>

#include <catch2/catch.hpp>

#include <kindling/compress/agreement.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/tests/support/tensors.h>
#include <kindling/train/evaluate.h>
#include "small_model.h"

using namespace kindling;
using namespace kindling::testing;

namespace {

/// What `calibration` says of a change of that layer's weight, [O, K], with the biases following.
double predicted_rise(const LayerCurvature& layer, const Tensor& change) {
  const int64_t groups = std::ssize(layer.groups), rows = change.size(0) / groups;
  double sum = 0;
  for (int64_t g = 0; g < groups; ++g) {
    const Tensor d = change.slice(0, g * rows, (g + 1) * rows);
    const Tensor& h = layer.groups[static_cast<size_t>(g)].hessian;
    sum += 0.5 * (h.rank() == 2 ? dot(matmul(d, h), d) : dot(d * h, d));
  }
  return sum;
}

}  // namespace

TEST_CASE("calibrate: it foresees the divergence that a change of weights makes") {
  Sequential net = small_model();
  const data::DatasetPtr pictures = small_pictures(40);
  const Calibration calibration = calibrate(net, pictures, {.labels = 50, .shrinkage = 0});
  CHECK(calibration.samples == 2000);
  const Tensor before = logits_of(net, *pictures);
  Rng rng(5);
  for (const LayerCurvature& layer : calibration.layers) {
    INFO(layer.path);
    const std::vector<WeightLayer> layers = weight_layers(net);
    const auto& found =
        *std::find_if(layers.begin(), layers.end(), [&](const auto& l) { return l.path == layer.path; });
    const Tensor weight = found.weight->value().clone();
    const Tensor bias = found.bias->defined() ? found.bias->value().clone() : Tensor();
    double predicted = 0, real = 0;
    for (int i = 0; i < 30; ++i) {
      const Tensor d = Tensor::normal({found.rows(), found.columns()}, 0, 0.01, rng, DType::f64);
      found.weight->value().copy_((weight.to(DType::f64) + d.reshape(weight.shape())).to(DType::f32));
      if (bias.defined())
        found.bias->value().copy_(
            (bias.to(DType::f64) - matmul(d, layer.groups[0].bias_follows.reshape({-1, 1})).reshape(bias.shape()))
                .to(DType::f32));
      predicted += predicted_rise(layer, d);
      real += mean_divergence(before, logits_of(net, *pictures));
    }
    found.weight->value().copy_(weight);
    if (bias.defined()) found.bias->value().copy_(bias);
    // One H stands for all rows, which matter more or less; over random changes the mean is right but for the labels'
    // deviation, about 10 % with 2000 of them.
    CHECK(real == Approx(predicted).epsilon(0.25));
  }
}

TEST_CASE("calibrate: wide layers get the diagonal of the same H, and groups have their own") {
  Sequential net = small_model();
  const data::DatasetPtr pictures = small_pictures(8);
  const Calibration full = calibrate(net, pictures), narrow = calibrate(net, pictures, {.widest = 30});
  REQUIRE(full.layers.size() == 3);
  REQUIRE(full.layers[1].groups.size() == 2);
  CHECK(full.layers[0].groups[0].hessian.shape() == Shape{27, 27});
  CHECK(narrow.layers[0].groups[0].hessian.shape() == Shape{27, 27});
  for (size_t g = 0; g < 2; ++g) {
    const Tensor& h = full.layers[1].groups[g].hessian;
    Tensor diagonal = Tensor::empty({36}, DType::f64);
    for (int64_t i = 0; i < 36; ++i) diagonal.at<double>({i}) = h.at<double>({i, i});
    check_close(narrow.layers[1].groups[g].hessian, diagonal, 1e-5);  // sums in f32
  }
  CHECK(relative_distance(full.layers[1].groups[0].hessian, full.layers[1].groups[1].hessian) > 0.1);
}

TEST_CASE("calibrate: same bits for any number of threads") {
  Sequential net = small_model();
  const data::DatasetPtr pictures = small_pictures(8);
  const ThreadsGuard one(1);
  const Calibration expected = calibrate(net, pictures);
  for (const int n : {2, 4}) {
    set_num_threads(n);
    const Calibration actual = calibrate(net, pictures);
    for (size_t i = 0; i < expected.layers.size(); ++i)
      CHECK(bitwise_equal(actual.layers[i].groups[0].hessian, expected.layers[i].groups[0].hessian));
  }
}

TEST_CASE("calibrate: it tells how far it is, can be stopped, and leaves the model as it was") {
  Sequential net = small_model();
  net.train();
  const Tensor before = net.named_parameters()[0].value.value().clone();
  std::vector<int64_t> done;
  std::atomic<bool> stop = false;
  calibrate(net, small_pictures(8), {.passes = 2, .progress = [&](int64_t n, int64_t total) {
                                       CHECK(total == 16);
                                       done.push_back(n);
                                     }});
  CHECK(done.back() == 16);
  CHECK(net.training());
  CHECK(bitwise_equal(net.named_parameters()[0].value.value(), before));
  stop = true;
  CHECK_THROWS_AS(calibrate(net, small_pictures(8), {.stop = &stop}), Stopped);
  CHECK_THROWS_AS(calibrate(net, small_pictures(8), {.labels = 0}), ShapeError);
}

TEST_CASE("calibrate: with a shrinkage of 1, H is the covariance of the inputs with the trace of the gradients'") {
  Rng rng(3);
  Sequential net;
  net.add("fc", Linear(4, 3, rng));
  const Tensor x = random({50, 4}, rng, DType::f32);
  const auto data = std::make_shared<data::TensorDataset>(x, Tensor::zeros({50}, DType::i64));
  const auto hessian = [&](double shrinkage) {
    return calibrate(net, data, {.shrinkage = shrinkage}).layers[0].groups[0].hessian;
  };
  const auto trace = [](const Tensor& h) {
    double sum = 0;
    for (int64_t i = 0; i < 4; ++i) sum += h.at<double>({i, i});
    return sum;
  };
  const Tensor centred = x.to(DType::f64) - mean(x.to(DType::f64), {0});
  const Tensor covariance = matmul(transpose(centred), centred), none = hessian(0), all = hessian(1);
  check_close(all, covariance * (trace(none) / trace(covariance)), 1e-5);  // sums in f32
  check_close(hessian(0.25), none * 0.75 + all * 0.25, 1e-12);
  CHECK_THROWS_AS(hessian(1.5), ShapeError);
}
