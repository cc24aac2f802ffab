#include <catch2/catch.hpp>

#include <kindling/autograd/ops/ops.h>
#include <kindling/autograd/record.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

using Catch::Contains;
using Catch::Message;

Variable parameter(const std::vector<double>& values) { return Variable(Tensor::from(values), true); }
Tensor tensor(const std::vector<double>& values) { return Tensor::from(values); }

// A user's operation: y = x^3.
Variable cube(const Variable& x) {
  return record("cube", x.value() * x.value() * x.value(), {x}, Keep::inputs,
                [](const Step& s) { return s.grad * square(s.input(0)) * 3.0; });
}

// The same destination for a result of shape [1, 2, 2, 1] instead of [4].
Out reshaped(const Out& out) { return {out.to.defined() ? out.to.reshape({1, 2, 2, 1}) : Tensor(), out.add}; }

}  // namespace

TEST_CASE("record: a user's operation has derivatives of every order") {
  const Variable x = parameter({1, 2});
  const Variable first = grad({sum(cube(x))}, {x}, CreateGraph::yes)[0];
  CHECK(bitwise_equal(first.value(), tensor({3, 12})));
  const Variable second = grad({sum(first)}, {x}, CreateGraph::yes)[0];
  CHECK(bitwise_equal(second.value(), tensor({6, 12})));
  CHECK(bitwise_equal(grad({sum(second)}, {x})[0].value(), tensor({6, 6})));
}

TEST_CASE("record: rules are called only for inputs that need them") {
  const Variable x = parameter({1, 2}), constant(tensor({3, 4}));
  const auto never = [](const Step&) -> Variable { throw std::logic_error("called"); };
  const Variable y = record(
      "half", x.value(), {x, constant}, Keep::nothing, [](const Step& s) { return s.grad; }, never);
  CHECK_NOTHROW(sum(y).backward());
  const Variable z = parameter({1, 2});
  const Variable both = record(
      "half", x.value(), {x, z}, Keep::nothing, [](const Step& s) { return s.grad; }, never);
  CHECK_NOTHROW(grad({sum(both)}, {x}));
  CHECK_THROWS_AS(record(
                      "half", x.value(), {x, z}, Keep::nothing, [](const Step& s) { return s.grad; }, never)
                      .backward(tensor({1, 1})),
                  std::logic_error);
}

TEST_CASE("record: a rule may add its gradient to the sum of what has arrived, and return that") {
  const Variable x = parameter({1, 2, 3, 4});
  int offered = 0;
  // Sends g 3 to its input: added in place by rules that are asked to, else as a new tensor.
  const auto times_three = [&offered](const Variable& v, bool in_place) {
    return record("times_three", v.value() * 3.0, {v}, Keep::nothing, [&offered, in_place](const Step& s) -> Variable {
      offered += s.out(0).adds() ? 1 : 0;
      const Variable eye = Tensor::ones({1, 1, 1, 1}, DType::f64) * 3.0, g = reshape(s.grad, {1, 2, 2, 1});
      return reshape(conv2d_input_grad(g, eye, g.shape(), {}, in_place ? reshaped(s.out(0)) : Out()), {4});
    });
  };
  for (const bool in_place : {false, true}) {
    offered = 0;
    const Variable y = sum(x * 2.0 + times_three(x, in_place) + times_three(x, in_place));
    CHECK(bitwise_equal(grad({y}, {x}, CreateGraph::no, {}, false, /*retain_graph=*/true)[0].value(),
                        tensor({8, 8, 8, 8})));
    CHECK(offered == 2);
    CHECK(bitwise_equal(grad({y}, {x}, CreateGraph::yes)[0].value(), tensor({8, 8, 8, 8})));
    CHECK(offered == 2);  // not while rules are recorded
    const AnomalyMode anomaly;
    CHECK(bitwise_equal(grad({y}, {x})[0].value(), tensor({8, 8, 8, 8})));
    CHECK(offered == 2);
  }
}

TEST_CASE("record: of two rules for one input, the second may add in place and the first not") {
  const Variable x = parameter({5});
  const auto fresh = [](const Step& s) { return s.grad * 10.0; };
  const auto in_place = [](const Step& s) -> Variable {
    const Variable one = Tensor::ones({1, 1}, DType::f64);
    const Out out = s.out(1);
    const Tensor sum = out.to.defined() ? out.to.reshape({1, 1}) : Tensor();
    return reshape(linear_weight_grad(reshape(s.grad, {1, 1}), one, {sum, out.add}), {1});
  };
  const auto both = [&] { return sum(record("both", x.value(), {x, x}, Keep::nothing, fresh, in_place)); };
  CHECK(grad({both() + sum(x * 100.0)}, {x})[0].item() == 111);
  CHECK(grad({sum(x * 100.0) + both()}, {x})[0].item() == 111);
}

TEST_CASE("record: a rule may write over the gradient where nothing else sees it") {
  const Variable x = parameter({1, 2}), weights(tensor({3, 4}));
  int written_over = 0;
  const auto negative = [&](const Variable& v) {
    return record("negative", v.value() * -1.0, {v}, Keep::nothing, [&](const Step& s) -> Variable {
      const Out out = s.in_place();
      if (!out.to.defined()) return s.grad * -1.0;
      ++written_over;
      return Tensor(out.to).mul_(-1.0);
    });
  };
  const auto gradient = [&](const Variable& y, CreateGraph create_graph = CreateGraph::no) {
    written_over = 0;
    return grad({sum(y)}, {x}, create_graph)[0].value();
  };

  CHECK(bitwise_equal(gradient(negative(x) * weights), tensor({-3, -4})));
  CHECK(written_over == 1);
  SECTION("not while rules are recorded, nor in anomaly mode") {
    CHECK(bitwise_equal(gradient(negative(x) * weights, CreateGraph::yes), tensor({-3, -4})));
    CHECK(written_over == 0);
    const AnomalyMode anomaly;
    CHECK(bitwise_equal(gradient(negative(x) * weights), tensor({-3, -4})));
    CHECK(written_over == 0);
  }
  SECTION("of two users of one gradient, the last") {
    CHECK(bitwise_equal(gradient((negative(x) + negative(x)) * weights), tensor({-6, -8})));
    CHECK(written_over == 1);
  }
  SECTION("each part of a concatenation its slice") {
    const Variable both = concat({negative(x), negative(x)}, 0);
    CHECK(bitwise_equal(gradient(both * Variable(tensor({3, 4, 5, 6}))), tensor({-8, -10})));
    CHECK(written_over == 2);
  }
  SECTION("not the slices of what is there twice") {
    const Variable n = negative(x);
    CHECK(bitwise_equal(gradient(concat({n, n}, 0) * Variable(tensor({3, 4, 5, 6}))), tensor({-8, -10})));
    CHECK(written_over == 1);  // their sum
  }
  SECTION("not the slices of a gradient that something else needs") {
    const Variable both = concat({negative(x), negative(x)}, 0), other = parameter({0, 0, 0, 0});
    const Variable y = sum((both + other) * Variable(tensor({3, 4, 5, 6})));
    written_over = 0;
    const Variables grads = grad({y}, {x, other});
    CHECK(bitwise_equal(grads[0].value(), tensor({-8, -10})));
    CHECK(bitwise_equal(grads[1].value(), tensor({3, 4, 5, 6})));
    CHECK(written_over == 0);
  }
  SECTION("not what was asked for") {
    const Variable n = negative(x);
    const Variables grads = grad({sum(concat({n, x}, 0) * Variable(tensor({3, 4, 5, 6})))}, {x, n});
    CHECK(bitwise_equal(grads[0].value(), tensor({2, 2})));
    CHECK(bitwise_equal(grads[1].value(), tensor({3, 4})));
  }
  SECTION("not what a hook may have kept") {
    const Variable n = negative(x);
    Variable kept;
    n.register_hook([&](const Variable& g) {
      kept = g;
      return Variable();
    });
    CHECK(bitwise_equal(gradient(concat({n, x}, 0) * Variable(tensor({3, 4, 5, 6}))), tensor({2, 2})));
    CHECK(bitwise_equal(kept.value(), tensor({3, 4})));
  }
  SECTION("not what a hook may have kept that removed itself") {
    const Variable n = negative(x);
    Variable kept;
    int64_t id = 0;
    id = n.register_hook([&](const Variable& g) {
      kept = g;
      n.remove_hook(id);
      return Variable();
    });
    CHECK(bitwise_equal(gradient(concat({n, x}, 0) * Variable(tensor({3, 4, 5, 6}))), tensor({2, 2})));
    CHECK(bitwise_equal(kept.value(), tensor({3, 4})));
  }
  SECTION("any number of times, while the graph is kept") {
    const Variable y = sum(concat({negative(x), negative(x)}, 0) * Variable(tensor({3, 4, 5, 6})));
    for (int time = 0; time < 2; ++time)
      CHECK(bitwise_equal(grad({y}, {x}, CreateGraph::no, {}, false, /*retain_graph=*/true)[0].value(),
                          tensor({-8, -10})));
  }
  SECTION("a concatenation in a concatenation") {
    const Variable inner = concat({negative(x), negative(x)}, 0), both = concat({inner, negative(x)}, 0);
    CHECK(bitwise_equal(gradient(both * Variable(tensor({3, 4, 5, 6, 7, 8}))), tensor({-15, -18})));
    CHECK(written_over == 3);
  }
}

TEST_CASE("gradients of ReLU and batch normalisation go through a concatenation of every axis") {
  Rng rng(3);
  const auto random = [&](const Shape& shape) { return Variable(Tensor::normal(shape, 0, 1, rng, DType::f64), true); };
  const Variable x = random({2, 3, 4, 5}), w = random({5, 1, 1, 5}), gamma = random({5}), beta = random({5});
  for (int64_t axis = 0; axis < 4; ++axis) {
    CAPTURE(axis);
    const auto loss = [&] { return sum(square(concat({conv2d_relu(x, w), batch_norm(x, gamma, beta).values}, axis))); };
    const Variables inputs{x, w, gamma, beta};
    const Variables actual = grad({loss()}, inputs),
                    expected = grad({loss()}, inputs, CreateGraph::yes);  // not in place
    for (size_t i = 0; i < inputs.size(); ++i) CHECK(relative_distance(actual[i].value(), expected[i].value()) < 1e-13);
  }
}

TEST_CASE("record: no gradient flows where a rule returns none") {
  const Variable x = parameter({1, 2}), y = parameter({1, 2});
  const Variable z = record(
      "first", x.value(), {x, y}, Keep::nothing, [](const Step& s) { return s.grad; }, NoGradient());
  sum(z).backward();
  CHECK(x.grad().defined());
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("record: a gradient must have its input's shape and dtype") {
  const Variable x = parameter({1, 2});
  const auto wrong = [&](Variable result) {
    const Scope scope("block1");
    return sum(record("wrong", x.value(), {x.detach(), x}, Keep::nothing, NoGradient(),
                      [result](const Step&) { return result; }));
  };
  CHECK_THROWS_MATCHES(wrong(Tensor::ones({2, 1}, DType::f64)).backward(), Error,
                       Message("block1: wrong: the gradient of input 1 is f64 [2, 1], the input f64 [2]"));
  CHECK_THROWS_MATCHES(wrong(Tensor::ones({2})).backward(), Error,
                       Message("block1: wrong: the gradient of input 1 is f32 [2], the input f64 [2]"));
  const auto none = [](const Step&) { return Variables(); };
  CHECK_THROWS_MATCHES(record_joint("none", x.value(), {x}, Keep::nothing, none).backward(tensor({1, 1})), Error,
                       Message("none: its rule returned 0 gradients for 1 inputs"));
  CHECK_THROWS_MATCHES(record("rules", x.value(), {x, x}, Keep::nothing, NoGradient()), ShapeError,
                       Message("rules: 1 gradient rules for 2 inputs"));
}

TEST_CASE("record: a rule that reads what was not kept says so") {
  const Variable x = parameter({1, 2});
  const Variable y =
      record("square", square(x.value()), {x}, Keep::nothing, [](const Step& s) { return s.grad * s.input(0) * 2.0; });
  CHECK_THROWS_MATCHES(sum(y).backward(), Error,
                       Message("square: its gradient rule reads input 0, which was not kept: see Keep in record()"));
  const Variable z =
      record("exp", exp(x.value()), {x}, Keep::inputs, [](const Step& s) { return s.grad * s.output(); });
  CHECK_THROWS_WITH(sum(z).backward(), Contains("reads the result, which was not kept"));
}

TEST_CASE("record: errors inside rules name the layer of the operation") {
  const Variable x = parameter({1, 2});
  Variable y;
  {
    const Scope scope("conv1");
    y = record("broken", x.value(), {x}, Keep::nothing, [](const Step& s) { return reshape(s.grad, {5}); });
  }
  const Scope elsewhere("trainer");
  CHECK_THROWS_MATCHES(sum(y).backward(), ShapeError, Message("conv1: reshape: cannot reshape [2] to [5]"));
  CHECK(*Scope::path() == "trainer");
}

TEST_CASE("record: gradients recorded for a second derivative carry the layer of their operation") {
  const Variable x = parameter({1, 2});
  Variable y;
  {
    const Scope scope("fire2");
    y = square(x);
  }
  const Variable g = grad({sum(y)}, {x}, CreateGraph::yes)[0];
  CHECK(*g.node()->path == "fire2");
}

TEST_CASE("record: gradients_of takes inputs as independent of each other") {
  const Variable x = parameter({2}), h = x * x;
  // d/dx and d/dh of x h, though h depends on x.
  const auto partial = gradients_of([&] { return x * h; }, {x, h}, Tensor::ones({1}, DType::f64));
  CHECK(partial[0].value().item() == 4);
  CHECK(partial[1].value().item() == 2);
  CHECK(partial[0].requires_grad());  // recording was on
  const NoGrad no_grad;
  CHECK_FALSE(gradients_of([&] { return x * h; }, {x, h}, Tensor::ones({1}, DType::f64))[0].requires_grad());
}

TEST_CASE("a convolutional network's gradients have the same bits for any number of threads", "[grad]") {
  Rng rng(5);
  const auto weights = [&](const Shape& shape) { return Variable(Tensor::uniform(shape, -0.3, 0.3, rng), true); };
  const Tensor images = Tensor::uniform({6, 37, 41, 3}, -1, 1, rng), labels = Tensor::from<int64_t>({0, 1, 2, 3, 4, 0});
  const Variables p = {weights({16, 3, 3, 3}), weights({16}), weights({32, 3, 3, 16}),
                       weights({32}),          weights({32}), weights({5, 1, 1, 32})};
  const auto gradients = [&](int n) {
    const ThreadsGuard threads(n);
    const Variable h1 = max_pool2d(relu(conv2d(images, p[0], p[1])), {.kernel = 3, .stride = 2, .ceil_mode = true});
    const Variable h2 = batch_norm(conv2d(h1, p[2], {}, {.padding = 1}), p[3], p[4]).values;
    const Variable logits = global_avg_pool(conv2d(local_response_norm(relu(h2), {}), p[5]));
    std::vector<Tensor> result;
    for (const Variable& g : grad({cross_entropy(logits, labels)}, p)) result.push_back(g.value());
    return result;
  };
  const std::vector<Tensor> one = gradients(1);
  for (const int threads : {2, 4}) {
    const std::vector<Tensor> many = gradients(threads);
    for (size_t i = 0; i < p.size(); ++i) CHECK(bitwise_equal(many[i], one[i]));
  }
}

}  // namespace kindling
