// Exchanging a layer of a built model.
#include <kindling/nn/replace.h>

#include <utility>

#include <catch2/catch.hpp>

#include <kindling/nn/conv.h>
#include <kindling/nn/fn.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/pool.h>
#include <kindling/nn/sequential.h>

using namespace kindling;

namespace {

const Shape kInput{1, 8, 8, 3};

/// Has a part that it calls and one that it does not.
class Pair : public Module {
 public:
  explicit Pair(Rng& rng) : used(3, 4, {.kernel = 3, .padding = 1}, rng) { unused = std::make_unique<BatchNorm2d>(3); }
  Conv2d used;
  std::unique_ptr<Module> unused;
  void visit(Visitor& v) override { v("used", used), v("unused", unused); }
  std::string kind() const override { return "Pair"; }

 protected:
  Variable forward(const Variable& x) override { return used(x); }
};

Sequential make_net() {
  Rng rng(1);
  Sequential net;
  net.add("pair", Pair(rng));
  Sequential& inner = net.add("inner", Sequential());
  inner.add("conv", Conv2d(4, 6, {.kernel = 3, .padding = 1}, rng));
  inner.add("pool", MaxPool2d({.kernel = 2, .stride = 2}));
  net.add("flatten", Flatten());
  net.add("fc", Linear(4 * 4 * 6, 2, rng));
  net.set_definition({.model = "some"});
  return net;
}

Conv2d conv(int64_t in, int64_t out, int64_t kernel = 1) {
  Rng rng(7);
  return Conv2d(in, out, {.kernel = kernel}, rng);
}

}  // namespace

TEST_CASE("replace puts another layer in the place of one, also inside another Sequential") {
  Sequential net = make_net();
  net.eval();
  Conv2d& thin = replace(net, "inner/conv", conv(4, 6), kInput);
  CHECK(net.parameters()[4].node() == thin.weight.node());
  CHECK(net.named_parameters()[4].name == "inner/conv/weight");
  CHECK(thin.name() == "conv");
  CHECK_FALSE(thin.training());
  CHECK(net.definition() == Definition());
  CHECK(net(Tensor::zeros(kInput)).shape() == Shape{1, 2});

  Rng rng(1);
  replace(net, "fc", Linear(4 * 4 * 6, 2, {.bias = false}, rng), kInput);
  CHECK(net.named_parameters().back().name == "fc/weight");
  replace(net, "inner/pool", AvgPool2d({.kernel = 2, .stride = 2}), kInput);
  CHECK(net(Tensor::zeros({3, 8, 8, 3})).shape() == Shape{3, 2});
}

TEST_CASE("replace works in double precision") {
  Sequential net = make_net();
  net.to(DType::f64);
  Conv2d layer = conv(4, 6);
  layer.to(DType::f64);
  CHECK(replace(net, "inner/conv", std::move(layer), kInput).weight.dtype() == DType::f64);
}

TEST_CASE("replace says what does not fit, and changes nothing then") {
  Sequential net = make_net();
  const auto attempt = [&](const std::string& path, Conv2d layer) { replace(net, path, std::move(layer), kInput); };
  CHECK_THROWS_WITH(attempt("conv", conv(4, 6)),
                    "replace: the model has no part 'conv'; it has: pair inner flatten fc");
  CHECK_THROWS_WITH(attempt("inner/conv2", conv(4, 6)),
                    "replace: the model has no part 'inner/conv2'; inner has: conv pool");
  CHECK_THROWS_WITH(attempt("inner/conv/weight", conv(4, 6)),
                    "replace: the model has no part 'inner/conv/weight'; inner/conv has none");
  CHECK_THROWS_WITH(attempt("", conv(4, 6)), "replace: the model has no part ''; it has: pair inner flatten fc");
  CHECK_THROWS_WITH(attempt("pair/used", conv(3, 4)),
                    "replace: 'pair/used' is a plain member of its module and cannot be exchanged");
  CHECK_THROWS_WITH(attempt("pair/unused", conv(3, 4)), "replace: the model does not call 'pair/unused'");
  CHECK_THROWS_WITH(attempt("inner/conv", conv(4, 5)),
                    "inner/conv: replace: the new layer makes [1, 8, 8, 5] of [1, 8, 8, 4], the old one makes "
                    "[1, 8, 8, 6]");
  CHECK_THROWS_WITH(attempt("inner/conv", conv(5, 6)),
                    Catch::StartsWith("inner/conv: conv2d: input has 4 channels, weight expects 5"));
  CHECK(net.named_parameters()[4].value.shape() == Shape{6, 3, 3, 4});
  CHECK(net.definition().model == "some");
  CHECK(net.training());
}
