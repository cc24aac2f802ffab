#include <catch2/catch.hpp>

#include <kindling/autograd/checkpoint.h>
#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/ops.h>

namespace kindling {
namespace {

using Args = Variables;

struct Block {
  Variable w, b;
  explicit Block(Rng& rng)
      : w(Tensor::uniform({4, 4}, -1, 1, rng, DType::f64), true),
        b(Tensor::uniform({4}, -1, 1, rng, DType::f64), true) {}
  Variable operator()(const Variable& x) const { return tanh(matmul(x, w) + b) + x; }
};

}  // namespace

TEST_CASE("checkpoint: gradients of inputs and of captured parameters are those without it") {
  Rng rng(1);
  const Block first(rng), second(rng);
  const Variable x(Tensor::uniform({3, 4}, -1, 1, rng, DType::f64), true);
  const auto gradients = [&](bool use) {
    const auto run = [&](const Block& block, const Variable& input) {
      const auto f = [&block](const Args& in) { return block(in[0]); };
      return use ? checkpoint(f, {input}) : f({input});
    };
    const Variable y = mean(square(run(second, run(first, x * 1.0))));
    y.backward();
    std::vector<Tensor> result{y.value()};
    for (Variable leaf : {x, first.w, first.b, second.w, second.b}) {
      result.push_back(leaf.grad());
      leaf.zero_grad();
    }
    return result;
  };
  const std::vector<Tensor> plain = gradients(false), checkpointed = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(bitwise_equal(checkpointed[i], plain[i]));
}

TEST_CASE("checkpoint: keeps inputs and result alone") {
  const Variable x(Tensor::ones({1000}), true);
  const int64_t before = memory::stats().bytes_in_use;
  const Variable y = checkpoint([](const Args& in) { return exp(sin(exp(sin(exp(in[0]))))); }, {x});
  CHECK(memory::stats().bytes_in_use < before + 4096 + 256);
  sum(y).backward();
  CHECK(x.grad().defined());
}

TEST_CASE("checkpoint: captured results of operations get their gradients, once") {
  const Variable x(Tensor::scalar(3, DType::f64), true);
  const Variable h = x * x;  // captured beside its own input
  const Variable y = checkpoint([h, x](const Args& in) { return in[0] * h * x; }, {x});
  y.backward();  // x^4
  CHECK(x.grad().item() == 4 * 27);
}

TEST_CASE("checkpoint: the same input twice, frozen and constant inputs, and no recording") {
  const Variable x(Tensor::scalar(3, DType::f64), true), c(Tensor::scalar(2, DType::f64));
  const auto f = [](const Args& in) { return in[0] * in[0] * in[1] * in[2]; };
  checkpoint(f, {x, x, c}).backward();
  CHECK(x.grad().item() == 54);
  CHECK_FALSE(checkpoint(f, {c, c, c}).requires_grad());
  const NoGrad no_grad;
  CHECK_FALSE(checkpoint(f, {x, x, c}).requires_grad());
}

TEST_CASE("checkpoint: an input that is not there, as a bias") {
  const Variable x(Tensor::ones({1, 2, 2, 1}, DType::f64), true), w(Tensor::full({1, 1, 1, 1}, 3, DType::f64), true);
  const Variable y = checkpoint([](const Args& in) { return conv2d(in[0], in[2], in[1]); }, {x, Variable(), w});
  sum(y).backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{3, 3, 3, 3});
  CHECK(w.grad().item() == 4);
}

TEST_CASE("checkpoint: can be differentiated again", "[grad]") {
  Rng rng(2);
  const Variable w(Tensor::uniform({4, 4}, -1, 1, rng, DType::f64)), x(Tensor::uniform({3, 4}, -1, 1, rng, DType::f64));
  const auto f = [](const Args& in) {
    return checkpoint([w = in[1]](const Args& inner) { return tanh(matmul(inner[0], w)); }, {in[0] * 2.0});
  };
  const GradcheckResult result = gradcheck(f, {x, w}, {.order = 2});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("checkpoint: random numbers come from a copy of the generator") {
  const Rng rng(4);
  const Variable x(Tensor::ones({50}, DType::f64), true);
  const auto noisy = [rng](const Args& in) mutable {
    Rng copy = rng;
    return in[0] * Tensor::uniform({50}, 0, 1, copy, DType::f64);
  };
  const Variable y = checkpoint(noisy, {x});
  sum(y).backward();
  CHECK(bitwise_equal(x.grad(), y.value()));  // x is 1: the gradient is the same noise
}

}  // namespace kindling
