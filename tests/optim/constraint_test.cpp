// Elements that optimisers hold at 0, and elements that move as one.
#include <kindling/optim/constraint.h>

#include <catch2/catch.hpp>
#include <memory>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/index.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/optim/adam.h>
#include <kindling/optim/gradients.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/kernels/parallel.h>

using namespace kindling;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinRel;

namespace {

const Shape kShape{300, 500};  // several blocks of a sum

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Variables& parameters) {
  if (name == "sgd")
    return std::make_unique<SGD>(parameters, SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1});
  if (name == "adam") return std::make_unique<Adam>(parameters, AdamOptions{.lr = 0.01, .weight_decay = 0.1});
  return std::make_unique<Muon>(parameters, MuonOptions{.lr = 0.01, .weight_decay = 0.1});
}

/// A parameter with codes 0 .. `codes` - 1, whose elements are `sharing` ? their code's number :
/// their own.
Variable make_parameter(int64_t codes, bool sharing, DType dtype = DType::f32) {
  Rng rng(1);
  Variable parameter(Tensor::uniform(kShape, -1, 1, rng, dtype), true);
  Tensor code = Tensor::empty(kShape, DType::u8);
  for (int64_t i = 0; i < code.numel(); ++i) code.data<uint8_t>()[i] = static_cast<uint8_t>(rng.next_below(codes));
  parameter.set_constraint({code, sharing});
  if (sharing) {
    const Tensor values = Tensor::uniform({256}, -1, 1, rng, dtype);
    spread_values(values, parameter);
  } else {
    hold_zeros(code, parameter.value());
  }
  return parameter;
}

void step(Optimizer& optimizer, uint64_t number) {
  Rng rng(100 + number);
  for (Variable& p : optimizer.parameters()) p.grad() = Tensor::normal(p.shape(), 0, 1, rng, p.dtype());
  optimizer.step();
}

/// Whether x is exactly 0 where the code is, and nowhere else.
bool zero_where_held(const Tensor& x, const Tensor& codes) {
  const uint8_t* code = codes.data<uint8_t>();
  const std::vector<double> values = x.to_vector<double>();
  return std::equal(values.begin(), values.end(), code, [](double v, uint8_t c) { return (v == 0) == (c == 0); });
}

}  // namespace

TEST_CASE("Held elements and their moments stay exactly 0 whatever the optimiser does") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  CAPTURE(name);
  Variable parameter = make_parameter(3, false);
  const auto optimizer = make_optimizer(name, {parameter});
  for (uint64_t i = 0; i < 3; ++i) step(*optimizer, i);
  const Tensor codes = parameter.constraint().codes;
  CHECK(zero_where_held(parameter.value(), codes));
  for (const auto& [entry, value] : optimizer->state())
    if (value.shape() == kShape && !entry.starts_with("mask")) CHECK(zero_where_held(value, codes));
}

TEST_CASE("What is held only after some updates loses its moments at the next") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  CAPTURE(name);
  Variable parameter = make_parameter(3, false);
  const Tensor codes = parameter.constraint().codes;
  parameter.set_constraint({});
  const auto optimizer = make_optimizer(name, {parameter});
  step(*optimizer, 0);
  CHECK_FALSE(zero_where_held(parameter.value(), codes));
  parameter.set_constraint({codes});
  step(*optimizer, 1);
  CHECK(zero_where_held(parameter.value(), codes));
  for (const auto& [entry, value] : optimizer->state())
    if (value.shape() == kShape && !entry.starts_with("mask")) CHECK(zero_where_held(value, codes));
}

TEST_CASE("Muon's direction does not depend on the gradient of what is held") {
  Variable a = make_parameter(2, false), b = make_parameter(2, false);
  const auto muon_a = make_optimizer("muon", {a}), muon_b = make_optimizer("muon", {b});
  Rng rng(5);
  a.grad() = Tensor::normal(kShape, 0, 1, rng);
  b.grad() = a.grad().clone();
  hold_zeros(b.constraint().codes, b.grad());
  muon_a->step();
  muon_b->step();
  CHECK(bitwise_equal(a.value(), b.value()));
}

TEST_CASE("Shared elements move as gather(values, codes) does, whose gradient autograd sums") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  CAPTURE(name);
  Variable parameter = make_parameter(7, true, DType::f64);
  Variable values(shared_values(parameter), true);
  Tensor zero = Tensor::ones({256}, DType::u8);
  zero.data<uint8_t>()[0] = 0;
  values.set_constraint({zero});
  const Tensor index = parameter.constraint().codes.to(DType::i64).reshape({-1});
  const auto shared = make_optimizer(name, {parameter}), gathered = make_optimizer(name, {values});
  for (uint64_t i = 0; i < 3; ++i) {
    Rng rng(10 + i);
    const Tensor target = Tensor::normal(kShape, 0, 1, rng, DType::f64);
    shared->zero_grad();
    gathered->zero_grad();
    sum(square(parameter - Variable(target))).backward();
    sum(square(reshape(gather(values, 0, index), kShape) - Variable(target))).backward();
    CHECK_THAT(grad_norm({parameter}), WithinRel(grad_norm({values}), 1e-12));  // sums in another order
    shared->step();
    gathered->step();
  }
  CHECK(relative_distance(shared_values(parameter), values.value()) < 1e-12);
  CHECK(zero_where_held(parameter.value(), parameter.constraint().codes));
}

TEST_CASE("Shared elements have the same bits on any number of threads") {
  Variable one = make_parameter(7, true), four = make_parameter(7, true);
  const auto first = make_optimizer("sgd", {one}), second = make_optimizer("sgd", {four});
  {
    const ThreadsGuard threads(1);
    step(*first, 0);
  }
  {
    const ThreadsGuard threads(4);
    step(*second, 0);
  }
  CHECK(bitwise_equal(one.value(), four.value()));
}

TEST_CASE("Moments begin anew when weights are shared, and when they are no longer") {
  Variable parameter = make_parameter(7, true);
  const Constraint constraint = parameter.constraint();
  parameter.set_constraint({});
  const auto optimizer = make_optimizer("adam", {parameter});
  step(*optimizer, 0);
  step(*optimizer, 1);
  parameter.set_constraint(constraint);
  spread_values(Tensor::ones({256}), parameter);
  step(*optimizer, 2);
  CHECK(optimizer->state().at("m/0").shape() == Shape{256});
  CHECK(optimizer->state().at("steps").to_vector<int64_t>() == std::vector<int64_t>{1});
  CHECK(optimizer->moment_bytes() == 2 * 256 * 4);
  parameter.set_constraint({});
  step(*optimizer, 3);
  CHECK(optimizer->state().at("m/0").shape() == kShape);
}

TEST_CASE("A saved state brings its constraints with it, and takes away others") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  const bool sharing = GENERATE(false, true);
  CAPTURE(name, sharing);
  Variable straight = make_parameter(5, sharing);
  const auto first = make_optimizer(name, {straight});
  step(*first, 0);
  Variable resumed(straight.value().clone(), true);
  const auto second = make_optimizer(name, {resumed});
  second->load_state(first->state());
  CHECK(bitwise_equal(resumed.constraint().codes, straight.constraint().codes));
  CHECK(resumed.constraint().shared == sharing);
  step(*first, 1);
  step(*second, 1);
  CHECK(bitwise_equal(straight.value(), resumed.value()));

  const Variable free(Tensor::zeros(kShape), true);
  second->load_state(make_optimizer(name, {free})->state());
  CHECK_FALSE(resumed.constraint().codes.defined());
}

TEST_CASE("A state with codes that do not fit is refused") {
  Variable parameter = make_parameter(5, true);
  const auto optimizer = make_optimizer("sgd", {parameter});
  State state = optimizer->state();
  state["codes/0"] = Tensor::zeros({3}, DType::u8);
  CHECK_THROWS_WITH(optimizer->load_state(state), Contains("entry 'codes/0' is u8 [3], expected u8 [300, 500]"));
}

TEST_CASE("grad_norm does not count what is held") {
  Variable parameter(Tensor::zeros({4}), true);
  parameter.grad() = Tensor::from(std::vector<float>{3, 100, 4, 100});
  parameter.set_constraint({Tensor::from(std::vector<uint8_t>{1, 0, 1, 0})});
  CHECK(grad_norm({parameter}) == 5);
}

TEST_CASE("set_constraint: the errors") {
  Variable parameter(Tensor::zeros({4}), true);
  CHECK_THROWS_WITH(parameter.set_constraint({Tensor::zeros({3}, DType::u8)}),
                    Contains("codes u8 [3] for a parameter of shape [4]"));
  CHECK_THROWS_WITH(parameter.set_constraint({Tensor::zeros({4})}), Contains("codes f32 [4]"));
  CHECK_THROWS_WITH(parameter.set_constraint({{}, true}), Contains("shared elements need codes"));
  CHECK_THROWS_WITH(square(parameter).set_constraint({}), Contains("the result of square"));
}

TEST_CASE("Copies of a parameter share its constraint, frozen or not") {
  Variable frozen(Tensor::zeros({2}));
  frozen.set_constraint({Tensor::zeros({2}, DType::u8)});
  CHECK_FALSE(frozen.requires_grad());
  Variable copy = frozen;
  copy.set_constraint({});
  CHECK_FALSE(frozen.constraint().codes.defined());
}
