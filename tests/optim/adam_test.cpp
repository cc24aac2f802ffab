// Adam and AdamW against algorithm 1 of arXiv:1412.6980 and algorithm 2 of arXiv:1711.05101.
#include <kindling/optim/adam.h>

#include <cmath>

#include <catch2/catch.hpp>

#include "trajectory.h"

using namespace kindling;

namespace {

const std::vector<double> kGrads{1.0, -0.5, 2.0, 0.25, 0.0, -3.0};

/// The papers' recurrence for one number.
struct Reference {
  double w;
  AdamOptions o;
  bool decoupled;
  double m = 0, v = 0;
  int t = 0;

  double operator()(double g) {
    ++t;
    if (!decoupled) g += o.weight_decay * w;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(o.beta1, t)), v_hat = v / (1 - std::pow(o.beta2, t));
    const double decay = decoupled ? o.weight_decay * w : 0;
    return w -= o.lr * (m_hat / (std::sqrt(v_hat) + o.eps) + decay);
  }
};

}  // namespace

TEST_CASE("Adam follows its paper") {
  const AdamOptions options{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.02};
  const Variable p = scalar_parameter(2.0);
  Adam optimizer({p}, options);
  check_trajectory(optimizer, p, kGrads, Reference{2.0, options, false});
}

TEST_CASE("AdamW decays weights beside the update") {
  const AdamOptions options{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.02};
  const Variable p = scalar_parameter(2.0);
  AdamW optimizer({p}, options);
  check_trajectory(optimizer, p, kGrads, Reference{2.0, options, true});
}

TEST_CASE("Adam's first step is lr against the gradient's sign, whatever its size") {
  const double grad = GENERATE(1e-4, -3.0, 1e4);
  const Variable p = scalar_parameter(1.0);
  Adam optimizer({p}, {.lr = 0.01});
  set_grad(p, grad);
  optimizer.step();
  // eps = 1e-8 beside a gradient of 1e-4 takes 1e-4 of the step away.
  CHECK_THAT(p.item(), Catch::WithinAbs(1.0 - std::copysign(0.01, grad), 1.1e-6));
}

TEST_CASE("Bias correction counts each parameter's own updates") {
  const AdamOptions options{.lr = 0.1};
  const Variable p = scalar_parameter(2.0), late = scalar_parameter(2.0);
  Adam optimizer({p, late}, options);
  check_trajectory(optimizer, p, kGrads, Reference{2.0, options, false});
  CHECK(late.item() == 2.0);
  Variable(p).set_requires_grad(false);
  check_trajectory(optimizer, late, kGrads, Reference{2.0, options, false});
}

TEST_CASE("set_momentum changes beta1, in the bias correction too, as in PyTorch") {
  const AdamOptions options{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.02};
  const Variable p = scalar_parameter(2.0), q = scalar_parameter(2.0);
  Adam adam({p}, options);
  AdamW adamw({q}, options);
  Reference expected{2.0, options, false}, decoupled{2.0, options, true};
  for (const double beta1 : {0.8, 0.5, 0.95}) {
    adam.set_momentum(beta1);
    adamw.set_momentum(beta1);
    expected.o.beta1 = decoupled.o.beta1 = beta1;
    check_trajectory(adam, p, {1.0, -0.5}, std::ref(expected));
    check_trajectory(adamw, q, {1.0, -0.5}, std::ref(decoupled));
  }
}

TEST_CASE("Adam refuses settings out of range") {
  const Variables p{scalar_parameter(1.0)};
  CHECK_THROWS_WITH(Adam(p, {.beta1 = 1}), "adam: betas must be in [0, 1), got 1, 0.999");
  CHECK_THROWS_WITH(AdamW(p, {.beta2 = 1.5}), "adamw: betas must be in [0, 1), got 0.9, 1.5");
  CHECK_THROWS_WITH(Adam(p, {.eps = -1}), "adam: eps must not be negative, got -1");
}
