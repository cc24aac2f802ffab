// Batch normalisation in both modes, and local response normalisation.
#include <kindling/nn/norm.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/reduce.h>

using namespace kindling;

namespace {

constexpr double kRounding = 1e-6;  // a few hundred f32 values are summed

/// Mean and variance (divisor `divisor_of(M)`) per channel, by the plain definition, in double.
struct Moments {
  std::vector<double> mean, var;
};
Moments moments(const Tensor& x, int64_t divisor_less) {
  const int64_t channels = x.size(-1), count = x.numel() / channels;
  const auto values = x.to_vector<double>();
  Moments result;
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; ++i) sum += values[static_cast<size_t>(i * channels + c)];
    const double mean = sum / static_cast<double>(count);
    for (int64_t i = 0; i < count; ++i) {
      const double d = values[static_cast<size_t>(i * channels + c)] - mean;
      squares += d * d;
    }
    result.mean.push_back(mean);
    result.var.push_back(squares / static_cast<double>(count - divisor_less));
  }
  return result;
}

BatchNorm2d random_layer(int64_t channels, Rng& rng) {
  BatchNorm2d layer(channels);
  layer.weight.value().copy_(Tensor::uniform({channels}, 0.5, 1.5, rng));
  layer.bias.value().copy_(Tensor::uniform({channels}, -1, 1, rng));
  return layer;
}

}  // namespace

TEST_CASE("A new BatchNorm2d has weight 1, bias 0, running mean 0 and variance 1") {
  BatchNorm2d layer(2);
  CHECK(layer.weight.value().to_vector<float>() == std::vector<float>{1, 1});
  CHECK(layer.bias.value().to_vector<float>() == std::vector<float>{0, 0});
  CHECK(layer.running_mean.to_vector<float>() == std::vector<float>{0, 0});
  CHECK(layer.running_var.to_vector<float>() == std::vector<float>{1, 1});
}

TEST_CASE("In training BatchNorm2d gives each channel the mean `bias` and the deviation `weight`") {
  Rng rng(1);
  BatchNorm2d layer = random_layer(3, rng);
  const Tensor y = layer(Tensor::normal({4, 5, 6, 3}, 2.0, 3.0, rng)).value();
  const Moments m = moments(y, 0);
  for (int64_t c = 0; c < 3; ++c) {
    CHECK_THAT(m.mean[static_cast<size_t>(c)], Catch::WithinAbs(layer.bias.value().at<float>({c}), kRounding));
    // eps = 1e-5 beside a variance near 9 takes 6e-7 of the deviation away.
    CHECK_THAT(std::sqrt(m.var[static_cast<size_t>(c)]),
               Catch::WithinRel(static_cast<double>(layer.weight.value().at<float>({c})), 2e-6));
  }
}

TEST_CASE("Running statistics move by `momentum` towards the batch's mean and unbiased variance") {
  Rng rng(1);
  BatchNorm2d layer(3, {.momentum = 0.25});
  std::vector<double> mean(3, 0.0), var(3, 1.0);
  for (int step = 0; step < 3; ++step) {
    const Tensor x = Tensor::normal({2, 3, 3, 3}, 2.0, 3.0, rng);
    layer(x);
    const Moments m = moments(x, 1);
    for (size_t c = 0; c < 3; ++c) {
      mean[c] = 0.75 * mean[c] + 0.25 * m.mean[c];
      var[c] = 0.75 * var[c] + 0.25 * m.var[c];
    }
  }
  for (size_t c = 0; c < 3; ++c) {
    CHECK_THAT(layer.running_mean.to_vector<double>()[c], Catch::WithinRel(mean[c], 1e-5));
    CHECK_THAT(layer.running_var.to_vector<double>()[c], Catch::WithinRel(var[c], 1e-5));
  }
}

TEST_CASE("In evaluation BatchNorm2d is the affine map of the running statistics, and leaves them alone") {
  Rng rng(1);
  BatchNorm2d layer = random_layer(3, rng);
  layer.running_mean.copy_(Tensor::uniform({3}, -1, 1, rng));
  layer.running_var.copy_(Tensor::uniform({3}, 0.5, 2, rng));
  layer.eval();
  const Tensor mean = layer.running_mean.clone(), var = layer.running_var.clone();
  const Tensor x = Tensor::uniform({2, 3, 3, 3}, -2, 2, rng);
  const Tensor expected = (x - mean) / sqrt(var + 1e-5) * layer.weight.value() + layer.bias.value();
  CHECK(relative_distance(layer(x).value(), expected) < kRounding);
  CHECK(bitwise_equal(layer.running_mean, mean));
  CHECK(bitwise_equal(layer.running_var, var));
}

TEST_CASE("A single image without pixels to spare can be evaluated but not trained on") {
  BatchNorm2d layer(2);
  const Tensor x = Tensor::ones({1, 1, 1, 2});
  CHECK_THROWS_WITH(layer(x), "batch_norm: needs more than one value per channel in training: input [1, 1, 1, 2]");
  layer.eval();
  CHECK(all_finite(layer(x).value()));
}

TEST_CASE("A constant channel is normalised to the bias") {
  BatchNorm2d layer(1);
  CHECK(layer(Tensor::full({2, 2, 2, 1}, 5.0)).value().to_vector<float>() == std::vector<float>(8, 0.0F));
  CHECK_THAT(layer.running_var.item(), Catch::WithinAbs(0.9, 1e-7));
}

TEST_CASE("BatchNorm2d names what does not fit") {
  BatchNorm2d layer(3);
  CHECK_THROWS_WITH(layer(Tensor::zeros({2, 4, 4, 2})),
                    "batch_norm: expects 3 channels in the last axis: input [2, 4, 4, 2]");
  CHECK_THROWS_WITH(BatchNorm2d(0), "batch_norm: needs a positive number of channels, got 0");
  CHECK_THROWS_WITH(BatchNorm2d(3, {.momentum = 2}), "batch_norm: momentum must be in [0, 1], got 2");
  CHECK_THROWS_WITH(BatchNorm2d(3, {.eps = 0}), "batch_norm: eps must be positive, got 0");
}

TEST_CASE("BatchNorm2d's gradients in both modes", "[grad]") {
  Rng rng(1);
  const bool training = GENERATE(true, false);
  CAPTURE(training);
  BatchNorm2d layer = random_layer(3, rng);
  layer.to(DType::f64);
  layer.train(training);
  const auto f = [&](const Variables& in) {
    layer.weight = in[1];
    layer.bias = in[2];
    return layer(in[0]);
  };
  const auto result =
      gradcheck(f, {Tensor::uniform({2, 3, 2, 3}, -1, 1, rng, DType::f64), layer.weight, layer.bias}, {.order = 2});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("LocalResponseNorm divides by the energy of its neighbours") {
  LocalResponseNorm layer({.size = 3, .alpha = 0.3, .beta = 0.5, .k = 2.0});
  const std::vector<double> x{1, -2, 3, 4};
  const Tensor y = layer(Tensor::from<float>({1, -2, 3, 4}, {1, 1, 1, 4})).value();
  const std::vector<double> energy{1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16};
  for (size_t c = 0; c < 4; ++c)
    CHECK_THAT(y.to_vector<double>()[c], Catch::WithinRel(x[c] / std::sqrt(2.0 + 0.1 * energy[c]), 1e-6));
}
