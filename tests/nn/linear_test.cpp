// The fully connected layer.
#include <kindling/nn/linear.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>

using namespace kindling;

TEST_CASE("Linear multiplies by the transposed weight and adds the bias") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  layer.weight.value().copy_(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}));
  layer.bias.value().copy_(Tensor::from<float>({10, 20}));
  const Tensor x = Tensor::from<float>({1, 0, -1, 2, 2, 2}, {2, 3});
  CHECK(layer(x).value().to_vector<float>() == std::vector<float>{8, 18, 22, 50});
}

TEST_CASE("Linear works on the last axis of any rank") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  const Tensor x = Tensor::uniform({4, 5, 3}, -1, 1, rng);
  const Tensor y = layer(x).value();
  CHECK(y.shape() == Shape{4, 5, 2});
  CHECK(bitwise_equal(y.reshape({20, 2}), layer(x.reshape({20, 3})).value()));
  CHECK(layer(x.select(0, 0).select(0, 0)).shape() == Shape{2});
}

TEST_CASE("Linear without bias has one parameter") {
  Rng rng(1);
  Linear layer(3, 2, {.bias = false}, rng);
  CHECK(layer.named_parameters().size() == 1);
  CHECK(layer(Tensor::zeros({1, 3})).value().to_vector<float>() == std::vector<float>{0, 0});
}

TEST_CASE("Linear counts a multiplication per weight and row") {
  Rng rng(1);
  CHECK(Linear(3, 2, rng).macs({4, 5, 3}, {4, 5, 2}) == 4 * 5 * 3 * 2);
}

TEST_CASE("Linear names what does not fit") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  CHECK_THROWS_WITH(layer(Tensor::zeros({4, 5})),
                    "linear: weight expects 3 features in the last axis: input [4, 5], weight [2, 3]");
  CHECK_THROWS_WITH(Linear(0, 2, rng), "linear: needs positive numbers of features, got 0 -> 2");
}

TEST_CASE("Linear's gradients", "[grad]") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  const auto f = [&](const Variables& in) {
    layer.weight = in[1];
    layer.bias = in[2];
    return layer(in[0]);
  };
  const auto result = gradcheck(f, {Tensor::uniform({2, 4, 3}, -1, 1, rng), layer.weight, layer.bias}, {.order = 2});
  INFO(result.message);
  CHECK(result.ok);
}
