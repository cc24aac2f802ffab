// Layers in a row.
#include <kindling/nn/sequential.h>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>

using namespace kindling;

TEST_CASE("Sequential runs its layers in the order of adding and names them") {
  Rng rng(1);
  Sequential net;
  Linear& first = net.add("first", Linear(3, 4, rng));
  net.add("relu", ReLU());
  net.add("second", Linear(4, 2, rng));
  CHECK(net.size() == 3);
  CHECK(&net.at("first") == &first);
  const Tensor x = Tensor::uniform({5, 3}, -1, 1, rng);
  const Variable expected = net.at("second")(relu(first(x)));
  CHECK(bitwise_equal(net(x).value(), expected.value()));
  CHECK(net.named_parameters()[2].name == "second/weight");
}

TEST_CASE("Layers added after the first call, or inside another Sequential, have their paths too") {
  Rng rng(1);
  Sequential net;
  Sequential& inner = net.add("inner", Sequential());
  inner.add("a", Linear(3, 4, rng));
  net(Tensor::zeros({1, 3}));
  inner.add("b", Linear(3, 2, rng));
  CHECK_THROWS_WITH(net(Tensor::zeros({1, 3})),
                    "inner/b: linear: weight expects 3 features in the last axis: input [1, 4], weight [2, 3]");
}

TEST_CASE("An empty Sequential is the identity, and a moved one keeps its layers in place") {
  Rng rng(1);
  Sequential net;
  const Tensor x = Tensor::uniform({2, 3}, -1, 1, rng);
  CHECK(net(x).value().storage() == x.storage());
  Linear& layer = net.add("layer", Linear(3, 1, rng));
  Sequential moved = std::move(net);
  CHECK(&moved.at("layer") == &layer);
}

TEST_CASE("Sequential refuses bad names and says which there are") {
  Rng rng(1);
  Sequential net;
  net.add("fc1", Linear(3, 4, rng));
  net.add("fc2", Linear(4, 2, rng));
  CHECK_THROWS_WITH(net.add("fc1", Linear(4, 2, rng)), "Sequential: there is a layer 'fc1' already");
  CHECK_THROWS_WITH(net.add("a/b", Linear(4, 2, rng)),
                    "Sequential: 'a/b' is no name for a layer: it must not be empty or contain '/'");
  CHECK_THROWS_WITH(net.add("", Linear(4, 2, rng)),
                    "Sequential: '' is no name for a layer: it must not be empty or contain '/'");
  CHECK_THROWS_WITH(net.at("fc3"), "Sequential: no layer 'fc3'; there are: fc1 fc2");
}
