// Names, parameters, modes, conversion and observers of modules.
#include <kindling/nn/module.h>

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/observer.h>

using namespace kindling;

namespace {

/// conv, norm: what a model is made of, with a part inside a part.
class Block : public Module {
 public:
  explicit Block(Rng& rng) : conv(3, 4, {.kernel = 3, .bias = false}, rng), norm(4) {}
  Conv2d conv;
  BatchNorm2d norm;
  void visit(Visitor& v) override { v("conv", conv), v("norm", norm); }
  std::string kind() const override { return "Block"; }

 protected:
  Variable forward(const Variable& x) override { return norm(conv(x)); }
};

class Net : public Module {
 public:
  explicit Net(Rng& rng) : block(rng), head(4, 2, {.kernel = 1}, rng) {}
  Block block;
  Conv2d head;
  void visit(Visitor& v) override { v("block", block), v("head", head); }
  std::string kind() const override { return "Net"; }

 protected:
  Variable forward(const Variable& x) override { return head(block(x)); }
};

template <class Named>
std::vector<std::string> names(const std::vector<Named>& list) {
  std::vector<std::string> result;
  for (const Named& entry : list) result.push_back(entry.name);
  return result;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("Parameters and buffers carry the paths of their modules, in the order of visit") {
  Rng rng(1);
  Net net(rng);
  // block/conv has no bias: an undefined parameter is passed over.
  CHECK(names(net.named_parameters()) ==
        Strings{"block/conv/weight", "block/norm/weight", "block/norm/bias", "head/weight", "head/bias"});
  CHECK(names(net.named_buffers()) == Strings{"block/norm/running_mean", "block/norm/running_var"});
  CHECK(net.parameters().size() == 5);
  CHECK(net.parameter_count() == 4 * 3 * 3 * 3 + 4 + 4 + 2 * 4 + 2);
}

TEST_CASE("Parameters are handles: changing one changes the module") {
  Rng rng(1);
  Net net(rng);
  net.parameters()[0].value().fill_(7.0);
  CHECK(net.block.conv.weight.value().at<float>({3, 2, 2, 2}) == 7.0F);
  CHECK(net.parameters()[0].node() == net.block.conv.weight.node());
}

TEST_CASE("train and eval reach every part") {
  Rng rng(1);
  Net net(rng);
  CHECK(net.block.norm.training());
  net.eval();
  CHECK_FALSE(net.training());
  CHECK_FALSE(net.block.norm.training());
  net.train();
  CHECK(net.head.training());
}

TEST_CASE("EvaluationMode puts each part back into its own mode") {
  Rng rng(1);
  Net net(rng);
  net.block.norm.eval();  // frozen statistics
  {
    const EvaluationMode evaluation(net);
    CHECK_FALSE(net.training());
    CHECK_FALSE(net.head.training());
  }
  CHECK(net.training());
  CHECK(net.head.training());
  CHECK_FALSE(net.block.norm.training());
}

TEST_CASE("zero_grad forgets every gradient") {
  Rng rng(1);
  Net net(rng);
  sum(net(Tensor::uniform({2, 5, 5, 3}, -1, 1, rng))).backward();
  for (const Variable& parameter : net.parameters()) REQUIRE(parameter.grad().defined());
  net.zero_grad();
  for (const Variable& parameter : net.parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("to converts parameters and buffers, and a frozen parameter stays frozen") {
  Rng rng(1);
  Net net(rng);
  net.head.bias.set_requires_grad(false);
  const Tensor before = net.block.conv.weight.value();
  net.to(DType::f64);
  for (const NamedParameter& parameter : net.named_parameters()) {
    CHECK(parameter.value.dtype() == DType::f64);
    CHECK(parameter.value.requires_grad() == (parameter.name != "head/bias"));
  }
  for (const NamedBuffer& buffer : net.named_buffers()) CHECK(buffer.value.dtype() == DType::f64);
  CHECK(bitwise_equal(net.block.conv.weight.value().to(DType::f32), before));
  CHECK(net(Tensor::zeros({1, 5, 5, 3}, DType::f64)).dtype() == DType::f64);

  const Variable frozen = net.head.bias;
  net.head.bias.set_requires_grad(true);
  CHECK(frozen.requires_grad());
}

TEST_CASE("Errors and graph nodes name the layer's path") {
  Rng rng(1);
  Net net(rng);
  CHECK_THROWS_WITH(
      net(Tensor::zeros({1, 5, 5, 4})),
      "block/conv: conv2d: input has 4 channels, weight expects 3: input [1, 5, 5, 4], weight [4, 3, 3, 3]");
  const Variable y = net(Tensor::zeros({1, 5, 5, 3}));
  CHECK(*y.node()->path == "head");
  CHECK(*Scope::path() == "");
}

TEST_CASE("A moved module keeps its parameters and works") {
  Rng rng(1);
  Net net(rng);
  net.eval();
  const Tensor x = Tensor::uniform({1, 5, 5, 3}, -1, 1, rng);
  const Tensor expected = net(x).value();
  const auto node = net.head.weight.node();
  Net moved = std::move(net);
  CHECK(bitwise_equal(moved(x).value(), expected));
  CHECK(moved.head.weight.node() == node);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Net>);
}

TEST_CASE("Observers are told of every call, inner calls first, and nest") {
  Rng rng(1);
  Net net(rng);
  const Tensor x = Tensor::zeros({2, 5, 5, 3});
  Strings outer, inner;
  std::vector<Shape> outputs;
  {
    const CallObserver first([&](Module& module, const std::string& path, const Variable&, const Variable& y) {
      outer.push_back(module.kind() + " " + path);
      outputs.push_back(y.shape());
    });
    net(x);
    const CallObserver second(
        [&](Module&, const std::string& path, const Variable&, const Variable&) { inner.push_back(path); });
    net.head(Tensor::zeros({1, 1, 1, 4}));
  }
  net(x);
  CHECK(outer ==
        Strings{"Conv2d block/conv", "BatchNorm2d block/norm", "Block block", "Conv2d head", "Net ", "Conv2d head"});
  CHECK(outputs[0] == Shape{2, 3, 3, 4});
  CHECK(inner == Strings{"head"});
}
