// The fully connected layer.
#include <kindling/nn/linear.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>

using namespace kindling;

TEST_CASE("Linear multiplies by the transposed weight and adds the bias") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  layer.weight.value().copy_(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}));
  layer.bias.value().copy_(Tensor::from<float>({10, 20}));
  const Tensor x = Tensor::from<float>({1, 0, -1, 2, 2, 2}, {2, 3});
  CHECK(layer(x).value().to_vector<float>() == std::vector<float>{8, 18, 22, 50});
}

TEST_CASE("Linear with ReLU is ReLU after the layer, bit for bit, gradients too") {
  Rng rng(1);
  Linear plain(30, 20, {.bias_init = init::normal(0, 1)}, rng), with_relu(30, 20, {.relu = true}, rng);
  CHECK(with_relu.relu());
  CHECK_FALSE(plain.relu());
  with_relu.weight.value().copy_(plain.weight.value());
  with_relu.bias.value().copy_(plain.bias.value());
  const Variable x(Tensor::uniform({4, 5, 30}, -1, 1, rng), true);
  const Variable expected = relu(plain(x)), y = with_relu(x);
  CHECK(bitwise_equal(y.value(), expected.value()));
  CHECK(max(neg(plain(x).value())).item() > 0);  // there is something to cut
  const Variables by_plain = grad({sum(square(expected))}, {x, plain.weight, plain.bias});
  const Variables by_relu = grad({sum(square(y))}, {x, with_relu.weight, with_relu.bias});
  for (size_t i = 0; i < by_plain.size(); ++i) CHECK(bitwise_equal(by_relu[i].value(), by_plain[i].value()));
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
