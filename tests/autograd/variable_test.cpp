#include <thread>

#include <catch2/catch.hpp>

#include <kindling/autograd/node.h>
#include <kindling/autograd/ops/ops.h>
#include <kindling/tensor/reduce.h>

namespace kindling {
namespace {

using Catch::Contains;
using Catch::Message;

Variable parameter(const std::vector<double>& values) { return Variable(Tensor::from(values), true); }

std::vector<double> values_of(const Tensor& x) { return x.to_vector<double>(); }

using Values = std::vector<double>;

}  // namespace

TEST_CASE("Variable: leaves and constants") {
  const Variable constant(Tensor::ones({2}));
  CHECK_FALSE(constant.requires_grad());
  CHECK(constant.is_leaf());
  CHECK(constant.op_name() == std::string("constant"));
  const Variable leaf(Tensor::ones({2}), true);
  CHECK(leaf.requires_grad());
  CHECK(leaf.is_leaf());
  CHECK(leaf.op_name() == std::string("leaf"));
  CHECK_FALSE(leaf.grad().defined());
  const Variable y = leaf * 2.0;
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK(y.op_name() == std::string("mul_scalar"));
  CHECK_THROWS_MATCHES(Variable(Tensor::arange(3), true), ShapeError,
                       Message("requires_grad: only f32 and f64 can require a gradient, got i64"));
  CHECK_THROWS_WITH(y.grad(), Contains("the result of mul_scalar stores no gradient"));
  CHECK_THROWS_WITH(constant.grad(), Contains("the result of constant stores no gradient"));
}

TEST_CASE("backward adds up on leaves") {
  Variable x = parameter({1, 2, 3});
  const Variable y = sum(x * x * x);
  y.backward();
  CHECK(values_of(x.grad()) == Values{3, 12, 27});
  sum(x * 2.0).backward();
  CHECK(values_of(x.grad()) == Values{5, 14, 29});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  (x * 2.0).backward(Tensor::from<double>({1, 10, 100}));
  CHECK(values_of(x.grad()) == Values{2, 20, 200});
}

TEST_CASE("a sum takes the memory of its first term, unless something else needs it") {
  Variable x = parameter({1, 2, 3}), y = parameter({10, 20, 30});
  Variable doubled = x * 2.0;
  const double* const memory = doubled.value().data<double>();
  const Variable total = std::move(doubled) + y;
  CHECK(total.value().data<double>() == memory);
  CHECK(values_of(total.value()) == Values{12, 24, 36});
  sum(total).backward();
  CHECK(values_of(x.grad()) == Values{2, 2, 2});
  CHECK(values_of(y.grad()) == Values{1, 1, 1});

  x.zero_grad();
  Variable read_later = x * 2.0;
  const Variable square = read_later * read_later;  // its rules read the factor
  CHECK(values_of((std::move(read_later) + y).value()) == Values{12, 24, 36});
  sum(square).backward();
  CHECK(values_of(x.grad()) == Values{8, 16, 24});

  Variable copied = x * 2.0;
  const Variable copy = copied;
  CHECK(values_of((std::move(copied) + y).value()) == Values{12, 24, 36});
  CHECK(values_of(copy.value()) == Values{2, 4, 6});

  Variable itself = x * 2.0;
  itself = std::move(itself) + itself;
  CHECK(values_of(itself.value()) == Values{4, 8, 12});

  Variable narrow = parameter({1}) * 2.0;
  CHECK(values_of((std::move(narrow) + y).value()) == Values{12, 22, 32});
}

TEST_CASE("backward needs a fitting seed") {
  const Variable x = parameter({1, 2});
  CHECK_THROWS_MATCHES((x * 2.0).backward(), ShapeError, Message("backward: an output of shape [2] needs a seed"));
  CHECK_THROWS_MATCHES((x * 2.0).backward(Tensor::ones({3}, DType::f64)), ShapeError,
                       Message("backward: seed f64 [3] for an output f64 [2]"));
  CHECK_THROWS_MATCHES((x * 2.0).backward(Tensor::ones({2})), ShapeError,
                       Message("backward: seed f32 [2] for an output f64 [2]"));
  CHECK_THROWS_MATCHES(x.detach().backward(), Error, Message("backward: this Variable does not require a gradient"));
}

TEST_CASE("stored gradients share memory with nothing") {
  const Variable a = parameter({1, 2}), b = parameter({3, 4});
  const Tensor seed = Tensor::ones({2}, DType::f64);
  (a + b).backward(seed);  // the seed itself reaches both leaves
  CHECK(a.grad().is_unique());
  CHECK(b.grad().is_unique());
  CHECK(seed.is_unique());

  const Variable c = parameter({1, 2, 3});
  sum(c).backward();  // a zero-stride view of the seed reaches the leaf
  CHECK(c.grad().is_contiguous());
  sum(c).backward();
  CHECK(values_of(c.grad()) == Values{2, 2, 2});

  const Variables gradients = grad({a + b}, {a, b}, CreateGraph::no, {seed});
  CHECK(gradients[0].value().is_unique());
  CHECK(gradients[1].value().is_unique());
  CHECK_FALSE(gradients[0].requires_grad());
}

TEST_CASE("backward adds to a stored gradient of any strides") {
  const Variable x(Tensor::from<double>({1, 2, 3, 4, 5, 6}, {2, 3}), true);
  const Tensor base = Tensor::from<double>({10, 20, 30, 40, 50, 60}, {3, 2}), one = Tensor::from<double>({7}, {1, 1});
  Variable(x).grad() = base.transpose();
  sum(x * x).backward();
  CHECK(values_of(x.grad()) == Values{12, 34, 56, 28, 50, 72});
  sum(x * x).backward();
  CHECK(values_of(x.grad()) == Values{14, 38, 62, 36, 60, 84});
  Variable(x).grad() = one.broadcast_to({2, 3});  // six times the same element
  sum(x * x).backward();
  CHECK(values_of(x.grad()) == Values{9, 11, 13, 15, 17, 19});
}

TEST_CASE("grad leaves stored gradients alone and takes any Variable") {
  const Variable x = parameter({1, 2}), h = x * x, y = sum(h * 3.0), z = sum(x);
  const auto g = grad({y, z}, {h, x}, CreateGraph::no, {Tensor::scalar(1, DType::f64), Tensor::scalar(10, DType::f64)});
  CHECK(values_of(g[0].value()) == Values{3, 3});
  CHECK(values_of(g[1].value()) == Values{16, 22});
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("grad runs and frees only what lies between outputs and inputs") {
  const Variable x = parameter({1, 2}), h = exp(x), y = sum(h * h);
  grad({y}, {h});
  CHECK(values_of(grad({sum(h)}, {x})[0].value()) == values_of(exp(x.value())));  // exp still has what it kept
}

TEST_CASE("grad of what is not there") {
  const Variable x = parameter({1}), unused = parameter({1}), constant(Tensor::ones({1}, DType::f64));
  CHECK_THROWS_MATCHES(grad({x * 2.0}, {x, unused}), Error,
                       Message("grad: the outputs do not depend on input 1; pass allow_unused if that is meant"));
  CHECK_FALSE(grad({x * 2.0}, {x, unused}, CreateGraph::no, {}, true)[1].defined());
  CHECK_FALSE(grad({constant}, {x}, CreateGraph::no, {}, true)[0].defined());
  CHECK_THROWS_MATCHES(grad({x * 2.0}, {constant}), Error, Message("grad: input 0 does not require a gradient"));
  CHECK_THROWS_MATCHES(grad({x * 2.0}, {}), ShapeError, Message("grad: no inputs"));
  CHECK_THROWS_MATCHES(grad({x}, {x}, CreateGraph::no, {x, x}), ShapeError, Message("grad: 2 seeds for 1 outputs"));
  CHECK(values_of(grad({x}, {x})[0].value()) == Values{1});
}

TEST_CASE("add_grad adds to sums, in place where it can, and leaves leaves alone") {
  const Variable x = parameter({1, 2, 3}), w = parameter({2, 2, 2}), unused = parameter({1});
  const Tensor started = Tensor::from<double>({10, 20, 30});
  std::vector<Tensor> sums{started.clone(), Tensor(), Tensor()};
  const Tensor* const first = &sums[0];
  const auto storage = sums[0].storage().get();
  for (int i = 0; i < 2; ++i) add_grad(sum(x * w), {x, w, unused}, sums, Tensor::scalar(0.5, DType::f64));
  CHECK(first->storage().get() == storage);
  CHECK(values_of(sums[0]) == Values{12, 22, 32});
  CHECK(values_of(sums[1]) == Values{1, 2, 3});
  CHECK_FALSE(sums[2].defined());
  CHECK_FALSE(x.grad().defined());
  // What depends on nothing asked for keeps its sum.
  sums[2] = Tensor::from<double>({7});
  add_grad(sum(x * w), {x, w, unused}, sums);
  CHECK(values_of(sums[2]) == Values{7});
}

TEST_CASE("add_grad: an input that is computed from another passes on its gradient without its sum") {
  const Variable w = parameter({3});
  const Variable h = w * 2.0;
  std::vector<Tensor> sums{Tensor::ones({1}, DType::f64), Tensor()};
  add_grad(sum(h), {h, w}, sums);
  CHECK(values_of(sums[0]) == Values{2});
  CHECK(values_of(sums[1]) == Values{2});
}

TEST_CASE("add_grad: hooks see the gradient without the sum") {
  const Variable x = parameter({1, 2});
  Values seen;
  x.register_hook([&](const Variable& g) {
    seen = values_of(g.value());
    return g * 10.0;
  });
  std::vector<Tensor> sums{Tensor::from<double>({100, 100})};
  add_grad(sum(x * 3.0), {x}, sums);
  CHECK(seen == Values{3, 3});
  CHECK(values_of(sums[0]) == Values{130, 130});
}

TEST_CASE("add_grad refuses what does not fit") {
  const Variable x = parameter({1, 2}), constant(Tensor::ones({2}));
  std::vector<Tensor> one(1), two{Tensor::zeros({2}, DType::f64), Tensor::zeros({2}, DType::f64)};
  CHECK_THROWS_WITH(add_grad(sum(x), {x, x}, one), Contains("add_grad: 1 sums for 2 inputs"));
  CHECK_THROWS_WITH(add_grad(sum(x), {x, x}, two), Contains("add_grad: an input appears twice"));
  CHECK_THROWS_WITH(add_grad(sum(x), {constant}, one), Contains("add_grad: input 0 does not require a gradient"));
}

TEST_CASE("convolutions add their gradients to those of other users of their input") {
  Rng rng(7);
  const auto leaf = [&](const Shape& shape) { return Variable(Tensor::normal(shape, 0, 1, rng, DType::f64), true); };
  const Variable x = leaf({2, 5, 6, 3}), w1 = leaf({4, 1, 1, 3}), w3 = leaf({4, 3, 3, 3}), b = leaf({4});
  const auto f = [&] {
    const Variable s = square(x);
    const Variable y = conv2d(s, w1) + conv2d_relu(s, w3, b, {.padding = 1}) + conv2d(s, w3, b, {.padding = 1});
    return sum(square(y));
  };
  const Variables inputs{x, w1, w3, b};
  const Variables expected = grad({f()}, inputs, CreateGraph::yes);  // nothing is added in place
  const Variables actual = grad({f()}, inputs);
  std::vector<Tensor> sums(4);
  for (int i = 0; i < 3; ++i) add_grad(f(), inputs, sums);
  for (size_t i = 0; i < inputs.size(); ++i) {
    CHECK(relative_distance(actual[i].value(), expected[i].value()) < 1e-14);
    CHECK(relative_distance(sums[i], expected[i].value() * 3.0) < 1e-14);
  }
}

TEST_CASE("a first layer's convolution and pooling add their gradients in place") {
  Rng rng(8);
  const Variable image(Tensor::normal({2, 9, 9, 3}, 0, 1, rng, DType::f64));
  const Variable w(Tensor::normal({4, 3, 3, 3}, 0, 1, rng, DType::f64), true), b(Tensor::ones({4}, DType::f64), true);
  const auto f = [&] { return sum(square(conv2d_max_pool2d(image, w, b, {{}, {.kernel = 2}, /*relu=*/true}))); };
  const Variables expected = grad({f()}, {w, b}, CreateGraph::yes);  // nothing is added in place
  std::vector<Tensor> sums(2);
  for (int i = 0; i < 3; ++i) add_grad(f(), {w, b}, sums);
  for (size_t i = 0; i < 2; ++i) CHECK(relative_distance(sums[i], expected[i].value() * 3.0) < 1e-14);
}

TEST_CASE("operations fill the slices of one tensor, which then is their concatenation") {
  Rng rng(9);
  const auto leaf = [&](const Shape& shape) { return Variable(Tensor::normal(shape, 0, 1, rng, DType::f64), true); };
  const Variable x = leaf({2, 3, 4, 3}), w1 = leaf({4, 1, 1, 3}), w3 = leaf({5, 3, 3, 3}), gamma = leaf({3}),
                 beta = leaf({3});
  const auto joined = [&](const Tensor& whole) {
    const auto slice = [&](int64_t begin, int64_t end) {
      return whole.defined() ? Out{whole.slice(3, begin, end)} : Out();
    };
    const Variable a = conv2d_relu(x, w1, {}, {}, slice(0, 4));
    const Variable b = conv2d_relu(x, w3, {}, {.padding = 1}, slice(4, 9));
    const Variable c = batch_norm(x, gamma, beta, 1e-5, Activation::relu, slice(9, 12)).values;
    return concat({a, b, c}, 3, {whole});
  };
  const Variable expected = joined({}), actual = joined(Tensor::empty({2, 3, 4, 12}, DType::f64));
  CHECK(bitwise_equal(actual.value(), expected.value()));
  const Variables inputs{x, w1, w3, gamma, beta};
  const Variables expected_grads = grad({sum(square(expected))}, inputs), grads = grad({sum(square(actual))}, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) CHECK(bitwise_equal(grads[i].value(), expected_grads[i].value()));
}

TEST_CASE("what is added to a tensor is not recorded") {
  const Variable x = Variable(Tensor::ones({1, 1, 1, 1}), true);
  CHECK_THROWS_MATCHES(concat({x, x}, 3, {Tensor::zeros({1, 1, 1, 2}), true}), Error,
                       Message("concat: a result that is added to a tensor cannot be recorded; use NoGrad"));
  CHECK_THROWS_AS(conv2d(x, x, {}, {}, {Tensor::zeros({1, 1, 1, 1}), true}), Error);
  CHECK_THROWS_AS(conv2d_relu(x, x, {}, {}, {Tensor::zeros({1, 1, 1, 1}), true}), Error);
  const NoGrad no_grad;
  CHECK(conv2d(x, x, {}, {}, {Tensor::ones({1, 1, 1, 1}), true}).item() == 2);
}

TEST_CASE("frozen leaves get no gradient") {
  Variable w = parameter({2}), x = parameter({3});
  Variable copy = w;
  copy.set_requires_grad(false);
  CHECK_FALSE(w.requires_grad());
  CHECK_FALSE((w * 2.0).requires_grad());
  (w * x).backward();
  CHECK_FALSE(w.grad().defined());
  CHECK(values_of(x.grad()) == Values{2});
  w.set_requires_grad(true);
  (w * x).backward();
  CHECK(values_of(w.grad()) == Values{3});
  CHECK_THROWS_MATCHES((w * x).set_requires_grad(false), Error,
                       Message("set_requires_grad: this is the result of mul; use detach()"));
  Variable constant(Tensor::ones({1}));
  constant.set_requires_grad(true);
  CHECK(constant.requires_grad());
}

TEST_CASE("no gradient flows through detach or NoGrad") {
  const Variable x = parameter({3});
  (x * x.detach()).backward();
  CHECK(values_of(x.grad()) == Values{3});
  CHECK(is_recording());
  {
    const NoGrad no_grad;
    CHECK_FALSE(is_recording());
    CHECK_FALSE((x * 2.0).requires_grad());
    {
      const RecordingGuard on(true);
      CHECK((x * 2.0).requires_grad());
    }
    CHECK_FALSE(is_recording());
  }
  CHECK(is_recording());
}

TEST_CASE("a freed graph says so") {
  const Variable x = parameter({1, 2}), h = exp(x);
  const Variable y = sum(h);
  y.backward({}, /*retain_graph=*/true);
  y.backward();
  CHECK(values_of(x.grad()) == values_of(exp(x.value()) * 2.0));
  CHECK_THROWS_MATCHES(y.backward(), Error,
                       Message("exp: the graph has been freed; pass retain_graph to the call that freed it"));
  CHECK_THROWS_WITH(grad({sum(h * h)}, {x}), Contains("the graph has been freed; pass retain_graph"));
  CHECK(values_of(x.grad()) == values_of(exp(x.value()) * 2.0));  // nothing was added by the failed call
}

TEST_CASE("kept tensors go as soon as they have been used") {
  const Variable x(Tensor::ones({1000}), true);
  const int64_t before = memory::stats().bytes_in_use;
  const Variable y = sum(exp(exp(exp(x))));
  CHECK(memory::stats().bytes_in_use > before + 3 * 4000);
  y.backward();
  CHECK(memory::stats().bytes_in_use < before + 2 * 4096 + 256);  // y and x's gradient
}

TEST_CASE("products keep only what a gradient will ask for") {
  const Variable x(Tensor::ones({1000}), true);
  const int64_t before = memory::stats().bytes_in_use;
  const Variable y = sum((x * 2.0) * Tensor::ones({1000}));  // the mask is kept, 2 x is not
  CHECK(memory::stats().bytes_in_use < before + 4096 + 1024);
  y.backward();
  CHECK(x.grad().to_vector<float>()[0] == 2.0f);
}

TEST_CASE("changing a kept tensor in place is an error that names both") {
  const Variable w = parameter({1, 2});
  Variable x = parameter({3, 4});
  const auto product = [&] {
    const Scope outer("fire4"), inner("expand3x3");
    return sum(w * x);
  };
  const Variable y = product();
  x.value().mul_(2.0);
  CHECK_THROWS_MATCHES(
      y.backward(), Error,
      Message(
          "fire4/expand3x3: mul: input 1 [2] was kept for the gradient and has since been changed in place by mul_; "
          "change a clone() of it, or change it after backward()"));

  Variable h = exp(x);
  const Variable z = sum(h);
  h.value().fill_(0);
  CHECK_THROWS_WITH(z.backward(), Contains("exp: the result [2] was kept") && Contains("in place by fill_"));

  const Variable fine = sum(x * 2.0);  // keeps nothing
  x.value().add_(x.value());
  CHECK_NOTHROW(fine.backward());
}

TEST_CASE("hooks see and may replace gradients") {
  const Variable x = parameter({1, 2}), h = x * 3.0;
  std::vector<Values> seen;
  const int64_t id = h.register_hook([&](const Variable& g) {
    seen.push_back(values_of(g.value()));
    return Variable();
  });
  x.register_hook([](const Variable& g) { return g * 10.0; });
  (sum(h) + sum(h * h)).backward({}, true);
  CHECK(seen == std::vector<Values>{{7, 13}});  // once, when complete
  CHECK(values_of(x.grad()) == Values{210, 390});
  h.remove_hook(id);
  CHECK(values_of(grad({sum(h)}, {x}, CreateGraph::no, {}, false, true)[0].value()) == Values{30, 30});
  CHECK(seen.size() == 1);

  const auto g = grad({sum(h * h)}, {x}, CreateGraph::yes)[0];             // 180 x
  CHECK(values_of(grad({sum(g)}, {x})[0].value()) == Values{1800, 1800});  // the hook again, on this gradient

  const Variable k = x * 3.0;
  k.register_hook([](const Variable&) { return Variable(Tensor::ones({3}, DType::f64)); });
  CHECK_THROWS_MATCHES(sum(k).backward(), Error, Message("mul_scalar: a hook returned f64 [3] for a gradient f64 [2]"));
  CHECK_THROWS_MATCHES(x.detach().register_hook([](const Variable& g) { return g; }), Error,
                       Message("register_hook: this Variable does not require a gradient"));
}

TEST_CASE("graphs 100,000 operations deep are run and freed without recursion") {
  const Variable x(Tensor::ones({1}, DType::f64), true);
  std::weak_ptr<Node> first;
  {
    Variable y = x;
    for (int i = 0; i < 100000; ++i) {
      y = y * 1.0 + 0.0;
      if (i == 0) first = y.node();
    }
    y.backward();
  }
  CHECK(first.expired());
  CHECK(values_of(x.grad()) == Values{1});

  Variable never_run = x;
  for (int i = 0; i < 100000; ++i) never_run = never_run + never_run;
  never_run = Variable();
}

TEST_CASE("a diamond is walked once per operation") {
  const Variable x = parameter({1});
  Variable y = x;
  for (int i = 0; i < 60; ++i) y = y * 0.5 + y * 0.5;  // 2^60 paths
  y.backward();
  CHECK(values_of(x.grad()) == Values{1});
}

TEST_CASE("threads share leaves and take gradients of graphs of their own") {
  Rng rng(3);
  const Variable w(Tensor::uniform({16, 16}, -1, 1, rng), true);
  const Tensor x = Tensor::uniform({16, 16}, -1, 1, rng);
  const auto gradient = [&] {
    const Variable y = mean(square(tanh(matmul(x, w)) + matmul(w, x)));
    return grad({y}, {w})[0].value();
  };
  const Tensor expected = gradient();
  std::vector<Tensor> results(8);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < results.size(); ++i)
      threads.emplace_back([&, i] {
        for (int repeat = 0; repeat < 20; ++repeat) results[i] = gradient();
      });
  }
  for (const Tensor& result : results) CHECK(bitwise_equal(result, expected));
  CHECK_FALSE(w.grad().defined());
}

}  // namespace kindling
