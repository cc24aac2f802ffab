// The convolution layer; the operation itself is tested in tests/tensor and by the op table.
#include <kindling/nn/conv.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/conv.h>

using namespace kindling;

TEST_CASE("Conv2d convolves with its own weight, bias and options") {
  Rng rng(1);
  Conv2d layer(6, 4,
               {.kernel = {3, 2},
                .stride = {2, 1},
                .padding = {1, 0},
                .dilation = 2,
                .groups = 2,
                .bias_init = init::uniform(-1, 1)},
               rng);
  CHECK(layer.weight.shape() == Shape{4, 3, 2, 3});
  CHECK(layer.bias.shape() == Shape{4});
  const Tensor x = Tensor::uniform({2, 9, 7, 6}, -1, 1, rng);
  const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 0}, .dilation = 2, .groups = 2};
  CHECK(bitwise_equal(layer(x).value(), conv2d(x, layer.weight.value(), layer.bias.value(), options)));
}

TEST_CASE("Conv2d without bias has one parameter") {
  Rng rng(1);
  Conv2d layer(3, 4, {.kernel = 3, .bias = false}, rng);
  CHECK(layer.named_parameters().size() == 1);
  CHECK(layer.parameter_count() == 4 * 3 * 3 * 3);
}

TEST_CASE("Conv2d counts taps of its own group, bias not counted") {
  Rng rng(1);
  CHECK(Conv2d(6, 4, {.kernel = {3, 2}, .groups = 2}, rng).macs({1, 9, 9, 6}, {1, 7, 8, 4}) == 7 * 8 * 4 * 3 * 2 * 3);
}

TEST_CASE("Conv2d refuses options that do not fit together") {
  Rng rng(1);
  CHECK_THROWS_WITH(Conv2d(6, 4, {.kernel = 3, .groups = 4}, rng),
                    "conv2d: channels 6 -> 4 do not divide into 4 groups");
  CHECK_THROWS_WITH(Conv2d(0, 4, {.kernel = 3}, rng), "conv2d: needs positive numbers of channels, got 0 -> 4");
  CHECK_THROWS_WITH(Conv2d(3, 4, {.kernel = {3, 0}}, rng), Catch::StartsWith("conv2d: needs a positive kernel, got "));
}
