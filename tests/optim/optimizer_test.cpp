// What all optimisers share: groups, frozen parameters, state, threads.
#include <kindling/optim/optimizer.h>

#include <memory>

#include <catch2/catch.hpp>

#include <kindling/optim/adam.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/kernels/parallel.h>

#include "trajectory.h"

using namespace kindling;

namespace {

const Shape kShape{300, 200};  // several blocks of an update, the last one ragged

struct Run {
  Variables parameters;
  std::unique_ptr<Optimizer> optimizer;

  explicit Run(const std::string& name, DType dtype = DType::f32) {
    Rng rng(1);
    for (const Shape& shape : {kShape, Shape{7}})
      parameters.emplace_back(Tensor::uniform(shape, -1, 1, rng, dtype), true);
    if (name == "sgd") optimizer = std::make_unique<SGD>(parameters, SGDOptions{.momentum = 0.9, .weight_decay = 1e-3});
    if (name == "adam") optimizer = std::make_unique<Adam>(parameters);
    if (name == "adamw") optimizer = std::make_unique<AdamW>(parameters);
    if (name == "muon") optimizer = std::make_unique<Muon>(parameters, MuonOptions{.weight_decay = 1e-3});
  }

  /// Steps first, first + 1, ... with gradients that depend on the step's number.
  void steps(uint64_t first, uint64_t count) {
    for (uint64_t step = first; step < first + count; ++step) {
      Rng rng(100 + step);
      for (Variable& p : parameters) p.grad() = Tensor::normal(p.shape(), 0, 1, rng, p.dtype());
      optimizer->step();
    }
  }
};

void check_same(const Run& a, const Run& b) {
  for (size_t i = 0; i < a.parameters.size(); ++i)
    CHECK(bitwise_equal(a.parameters[i].value(), b.parameters[i].value()));
}

}  // namespace

TEST_CASE("A run that saves and loads its state goes on with the same bits") {
  const std::string name = GENERATE("sgd", "adam", "adamw", "muon");
  CAPTURE(name);
  Run straight(name), first(name), second(name);
  straight.optimizer->set_lr(0.05);
  first.optimizer->set_lr(0.05);
  straight.steps(0, 6);
  first.steps(0, 3);
  for (size_t i = 0; i < 2; ++i) second.parameters[i].value().copy_(first.parameters[i].value());
  second.optimizer->load_state(first.optimizer->state());
  CHECK(second.optimizer->lr() == 0.05);
  second.steps(3, 3);
  check_same(straight, second);
}

TEST_CASE("A saved state does not change with the optimiser") {
  Run run("sgd");
  run.steps(0, 1);
  const State state = run.optimizer->state();
  const Tensor before = state.at("velocity/0").clone();
  run.steps(1, 1);
  CHECK(bitwise_equal(state.at("velocity/0"), before));
  CHECK(state.at("steps").to_vector<int64_t>() == std::vector<int64_t>{1, 1});
}

TEST_CASE("Updates have the same bits for any number of threads") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  Run one(name), four(name);
  {
    const ThreadsGuard threads(1);
    one.steps(0, 2);
  }
  {
    const ThreadsGuard threads(4);
    four.steps(0, 2);
  }
  check_same(one, four);
}

TEST_CASE("f32 updates are those of f64, rounded") {
  const std::string name = GENERATE("sgd", "adam", "adamw", "muon");
  Run single(name, DType::f32), twice(name, DType::f64);
  for (size_t i = 0; i < 2; ++i) twice.parameters[i].value().copy_(single.parameters[i].value().to(DType::f64));
  single.steps(0, 3);
  twice.steps(0, 3);
  for (size_t i = 0; i < 2; ++i)  // three updates of f32 rounding
    CHECK(relative_distance(single.parameters[i].value().to(DType::f64), twice.parameters[i].value()) < 1e-6);
}

TEST_CASE("Groups have their own learning rate and weight decay") {
  const Variable a = scalar_parameter(1.0), b = scalar_parameter(1.0), c = scalar_parameter(1.0);
  SGD optimizer(
      std::vector<ParameterGroup>{
          {.parameters = {a}}, {.parameters = {b}, .lr_factor = 10.0}, {.parameters = {c}, .weight_decay = 0.0}},
      {.lr = 0.01, .weight_decay = 0.5});
  for (const Variable& p : {a, b, c}) set_grad(p, 2.0);
  optimizer.step();
  CHECK_THAT(a.item(), Catch::WithinRel(1 - 0.01 * 2.5, 1e-15));
  CHECK_THAT(b.item(), Catch::WithinRel(1 - 0.1 * 2.5, 1e-15));
  CHECK_THAT(c.item(), Catch::WithinRel(1 - 0.01 * 2.0, 1e-15));
}

TEST_CASE(
    "A group's factor and weight decay are the optimiser's own with that rate and decay, whatever the optimiser") {
  const auto make = [](const std::string& name, std::vector<ParameterGroup> groups, double lr,
                       double decay) -> std::unique_ptr<Optimizer> {
    const SGDOptions sgd{.lr = lr, .momentum = 0.5, .weight_decay = decay};
    if (name == "sgd") return std::make_unique<SGD>(std::move(groups), sgd);
    if (name == "caffe") {
      SGDOptions caffe = sgd;
      caffe.form = MomentumForm::caffe;
      return std::make_unique<SGD>(std::move(groups), caffe);
    }
    const AdamOptions adam{.lr = lr, .weight_decay = decay};
    if (name == "adam") return std::make_unique<Adam>(std::move(groups), adam);
    if (name == "adamw") return std::make_unique<AdamW>(std::move(groups), adam);
    return std::make_unique<Muon>(std::move(groups), MuonOptions{.lr = lr, .weight_decay = decay});
  };
  const std::string name = GENERATE("sgd", "caffe", "adam", "adamw", "muon");
  const Shape shape = GENERATE(Shape{5, 3}, Shape{7});  // what Muon takes for a matrix, and what it leaves to AdamW
  CAPTURE(name, shape);
  const auto trained = [&](double lr, double decay, ParameterGroup group) {
    Rng rng(1);
    Variable p(Tensor::normal(shape, 0, 1, rng), true);
    group.parameters = {p};
    const auto optimizer = make(name, {group}, lr, decay);
    for (int step = 0; step < 3; ++step) {
      p.grad() = Tensor::normal(shape, 0, 1, rng);
      optimizer->step();
    }
    return p.value();
  };
  const Tensor expected = trained(0.5, 0.25, {});
  CHECK(bitwise_equal(trained(0.125, 0.25, {.parameters = {}, .lr_factor = 4}), expected));
  CHECK(bitwise_equal(trained(0.5, 0.0, {.parameters = {}, .weight_decay = 0.25}), expected));
  CHECK_FALSE(bitwise_equal(trained(0.125, 0.25, {}), expected));
  CHECK_FALSE(bitwise_equal(trained(0.5, 0.0, {}), expected));
}

TEST_CASE("Parameters without a gradient, frozen or not, are left alone") {
  Variable moving = scalar_parameter(1.0), unreached = scalar_parameter(1.0), frozen = scalar_parameter(1.0);
  SGD optimizer({moving, unreached, frozen}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  set_grad(moving, 1.0);
  set_grad(frozen, 1.0);
  frozen.set_requires_grad(false);
  optimizer.step();
  CHECK(moving.item() != 1.0);
  CHECK(unreached.item() == 1.0);
  CHECK(frozen.item() == 1.0);
  CHECK(optimizer.state().at("steps").to_vector<int64_t>() == std::vector<int64_t>{1, 0, 0});
  CHECK(optimizer.state().count("velocity/1") == 0);
}

TEST_CASE("zero_grad forgets gradients, and step marks parameters as written") {
  const Variable p = scalar_parameter(1.0);
  SGD optimizer({p}, {});
  set_grad(p, 1.0);
  const uint64_t version = p.value().storage()->version();
  optimizer.step();
  CHECK(p.value().storage()->version() > version);
  CHECK(std::string(p.value().storage()->writer()) == "sgd");
  optimizer.zero_grad();
  CHECK_FALSE(p.grad().defined());
}

TEST_CASE("A state that does not fit is refused by entry and leaves the optimiser as it was") {
  Run run("sgd"), other("adam");
  run.steps(0, 1);
  other.steps(0, 1);
  const State good = run.optimizer->state();
  const auto load = [&](auto change) {
    State state = good;
    change(state);
    run.optimizer->load_state(state);
  };
  CHECK_THROWS_WITH(load([](State& s) { s.erase("steps"); }), "optimizer state: entry 'steps' is missing");
  CHECK_THROWS_WITH(load([](State& s) { s.erase("velocity/1"); }), "optimizer state: entry 'velocity/1' is missing");
  CHECK_THROWS_WITH(load([](State& s) { s["velocity/1"] = Tensor::zeros({8}); }),
                    "optimizer state: entry 'velocity/1' is f32 [8], expected f32 [7]");
  CHECK_THROWS_WITH(load([](State& s) { s["lr"] = Tensor::scalar(1, DType::f32); }),
                    "optimizer state: entry 'lr' is f32 [], expected f64 []");
  CHECK_THROWS_WITH(load([](State& s) { s["velocity/0"] = Tensor(); }),
                    "optimizer state: entry 'velocity/0' is missing");
  CHECK_THROWS_WITH(load([](State& s) {
                      s["steps"] = Tensor::from<int64_t>({1, -1});
                    }),
                    "optimizer state: entry 'steps' has a negative number");
  CHECK_THROWS_WITH(load([](State& s) { s["velocity/2"] = Tensor::zeros({7}); }),
                    "optimizer state: entry 'velocity/2' is not one of sgd's");
  CHECK_THROWS_WITH(run.optimizer->load_state(other.optimizer->state()),
                    "optimizer state: entry 'velocity/0' is missing");
  const State after = run.optimizer->state();
  REQUIRE(after.size() == good.size());
  for (const auto& [name, tensor] : good) CHECK(bitwise_equal(after.at(name), tensor));
}

TEST_CASE("Optimisers refuse parameters that are there twice and gradients of another shape") {
  const Variable p = scalar_parameter(1.0);
  CHECK_THROWS_WITH(SGD({p, p}, {}), "optimizer: a parameter of shape [1] is there twice");
  SGD optimizer({p}, {});
  Variable(p).grad() = Tensor::zeros({2}, DType::f64);
  CHECK_THROWS_WITH(optimizer.step(), "sgd: parameter is f64 [1], its gradient f64 [2]");
}
