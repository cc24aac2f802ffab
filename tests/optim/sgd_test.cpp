// SGD against its recurrences.
#include <kindling/optim/sgd.h>

#include <catch2/catch.hpp>

#include "trajectory.h"

using namespace kindling;

namespace {

const std::vector<double> kGrads{1.0, -0.5, 2.0, 0.25, 0.0, -3.0};
constexpr double kLr = 0.1, kMu = 0.9, kDecay = 0.01;

}  // namespace

TEST_CASE("Two steps of SGD worked out by hand") {
  const Variable w = scalar_parameter(1.0);
  SGD optimizer({w}, {.lr = 0.5, .momentum = 0.5});
  set_grad(w, 1.0);
  optimizer.step();  // v = 1, w = 1 - 0.5
  CHECK(w.item() == 0.5);
  set_grad(w, 2.0);
  optimizer.step();  // v = 0.5 + 2 = 2.5, w = 0.5 - 1.25
  CHECK(w.item() == -0.75);
}

TEST_CASE("Plain SGD with weight decay: w -= lr (g + wd w)") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .weight_decay = kDecay});
  double w = 2.0;
  check_trajectory(optimizer, p, kGrads, [&](double g) { return w -= kLr * (g + kDecay * w); });
}

TEST_CASE("Momentum, PyTorch's form: v = mu v + g, w -= lr v") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .momentum = kMu, .weight_decay = kDecay});
  double w = 2.0, v = 0;
  check_trajectory(optimizer, p, kGrads, [&](double g) {
    v = kMu * v + (g + kDecay * w);
    return w -= kLr * v;
  });
}

TEST_CASE("Momentum, Caffe's form: v = mu v + lr g, w -= v, where a falling rate makes the difference") {
  const Variable p = scalar_parameter(2.0), q = scalar_parameter(2.0);
  SGD caffe({p}, {.lr = kLr, .momentum = kMu, .form = MomentumForm::caffe});
  SGD pytorch({q}, {.lr = kLr, .momentum = kMu});
  double w = 2.0, v = 0, lr = kLr;
  const auto both = [&](double g) {
    set_grad(q, g);
    pytorch.step();
    v = kMu * v + lr * g;
    return w -= v;
  };
  check_trajectory(caffe, p, kGrads, both);
  CHECK_THAT(p.item(), Catch::WithinRel(q.item(), 1e-13));  // so far the rate was constant
  lr = kLr / 10;
  caffe.set_lr(lr);
  pytorch.set_lr(lr);
  check_trajectory(caffe, p, {1.0}, both);
  CHECK_THAT(p.item(), !Catch::WithinRel(q.item(), 1e-3));
}

TEST_CASE("Nesterov: w -= lr (g + mu v)") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .momentum = kMu, .weight_decay = kDecay, .nesterov = true});
  double w = 2.0, v = 0;
  check_trajectory(optimizer, p, kGrads, [&](double g) {
    g += kDecay * w;
    v = kMu * v + g;
    return w -= kLr * (g + kMu * v);
  });
}

TEST_CASE("Nesterov, Caffe's form: w -= (1 + mu) v - mu v_before") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .momentum = kMu, .nesterov = true, .form = MomentumForm::caffe});
  double w = 2.0, v = 0;
  check_trajectory(optimizer, p, kGrads, [&](double g) {
    const double before = v;
    v = kMu * v + kLr * g;
    return w -= (1 + kMu) * v - kMu * before;
  });
}

TEST_CASE("Dampening spares the first gradient, as in PyTorch") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .momentum = kMu, .dampening = 0.25});
  double w = 2.0, v = 0;
  bool first = true;
  check_trajectory(optimizer, p, kGrads, [&](double g) {
    v = first ? g : kMu * v + 0.75 * g;
    first = false;
    return w -= kLr * v;
  });
}

TEST_CASE("Momentum can be changed between steps") {
  const Variable p = scalar_parameter(2.0);
  SGD optimizer({p}, {.lr = kLr, .momentum = kMu});
  double w = 2.0, v = 0, mu = kMu;
  const auto recurrence = [&](double g) {
    v = mu * v + g;
    return w -= kLr * v;
  };
  check_trajectory(optimizer, p, {1.0, 2.0}, recurrence);
  mu = 0.5;
  optimizer.set_momentum(mu);
  check_trajectory(optimizer, p, {1.0, 2.0}, recurrence);
}

TEST_CASE("SGD refuses settings out of range") {
  const Variables p{scalar_parameter(1.0)};
  CHECK_THROWS_WITH(SGD(p, {.lr = -1}), "optimizer: lr must not be negative, got -1");
  CHECK_THROWS_WITH(SGD(p, {.momentum = -0.1}), "sgd: momentum must not be negative, got -0.1");
  CHECK_THROWS_WITH(SGD(p, {.weight_decay = -0.1}), "optimizer: weight_decay must not be negative, got -0.1");
  CHECK_THROWS_WITH(SGD(p, {.nesterov = true}),
                    "sgd: Nesterov needs momentum and no dampening, got momentum 0, dampening 0");
}
