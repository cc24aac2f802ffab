// Muon against its definition; what it orthogonalizes has known singular values.
#include <kindling/optim/muon.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/matmul.h>

#include "trajectory.h"

using namespace kindling;

namespace {

/// What orthogonalize() does to a singular value of a matrix of norm 1.
double five_steps(double s) {
  for (int step = 0; step < 5; ++step) s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5);
  return s;
}

/// 1 - 2 v v' / v'v, an orthogonal matrix.
Tensor reflection(int64_t n, Rng& rng) {
  const Tensor v = Tensor::normal({n, 1}, 0, 1, rng, DType::f64);
  const double square = matmul(v.transpose(), v).item();
  Tensor result = matmul(v, v.transpose()).mul_(-2 / square);
  for (int64_t i = 0; i < n; ++i) result.at<double>({i, i}) += 1;
  return result;
}

/// U diag(values) V' [m, n]; U and V are the same for the same m and n.
Tensor with_singular_values(int64_t m, int64_t n, const std::vector<double>& values) {
  Rng rng(3);
  const Tensor u = reflection(m, rng), v = reflection(n, rng);
  Tensor diagonal = Tensor::zeros({m, n}, DType::f64);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    diagonal.at<double>({at, at}) = values[i];
  }
  return matmul(matmul(u, diagonal), v);
}

}  // namespace

TEST_CASE("orthogonalize keeps singular vectors and brings singular values to about 1") {
  const auto [m, n] = GENERATE(table<int64_t, int64_t>({{3, 3}, {3, 8}, {9, 3}}));
  CAPTURE(m, n);
  const std::vector<double> values{4.0, 0.5, 0.05};
  const double length = std::sqrt(16 + 0.25 + 0.0025);
  std::vector<double> expected;
  for (const double s : values) {
    expected.push_back(five_steps(s / length));
    CHECK(expected.back() > 0.65);
    CHECK(expected.back() < 1.25);
  }
  const Tensor result = orthogonalize(with_singular_values(m, n, values));
  CHECK(relative_distance(result, with_singular_values(m, n, expected)) < 1e-12);
}

TEST_CASE("orthogonalize in float is within 1e-3 of double, however different the singular values") {
  const auto [m, n] = GENERATE(table<int64_t, int64_t>({{40, 40}, {40, 90}, {90, 40}}));
  const double ratio = GENERATE(1.0, 0.9, 0.7, 0.4);  // the smallest one is 1, 0.016, 9e-7 or 3e-16
  CAPTURE(m, n, ratio);
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) values.push_back(std::pow(ratio, i));
  const Tensor x = with_singular_values(m, n, values);
  CHECK(relative_distance(orthogonalize(x.to(DType::f32)).to(DType::f64), orthogonalize(x)) < 1e-3);
}

TEST_CASE("orthogonalize leaves zeros and takes only matrices") {
  CHECK(bitwise_equal(orthogonalize(Tensor::zeros({2, 3})), Tensor::zeros({2, 3})));
  CHECK_THROWS_WITH(orthogonalize(Tensor::zeros({2, 3, 4})), "orthogonalize: not a matrix: [2, 3, 4]");
}

TEST_CASE("Muon follows its definition") {
  const MuonOptions options{.lr = 0.1, .momentum = 0.8, .weight_decay = 0.05};
  const Variable p(Tensor::full({1, 1}, 2.0, DType::f64), true);
  Muon optimizer({p}, options);
  double w = 2.0, v = 0, mu = options.momentum;
  const auto recurrence = [&](double g) {
    v = mu * v + g;
    const double ahead = g + mu * v;
    const double direction = ahead == 0 ? 0 : std::copysign(five_steps(1), ahead);  // of the 1x1 matrix
    return w -= options.lr * (0.2 * direction + options.weight_decay * w);
  };
  check_trajectory(optimizer, p, {1.0, -0.5, 2.0, 0.25, 0.0, -3.0}, recurrence);
  mu = 0.1;
  optimizer.set_momentum(mu);
  check_trajectory(optimizer, p, {1.0, -0.5, 2.0, 0.25, 0.0, -3.0}, recurrence);
}

TEST_CASE("Muon orthogonalizes the decayed velocity, a step ahead") {
  // Of a matrix the direction depends on how old gradients are weighed; of a number only the sign does.
  Rng rng(5);
  const Variable p(Tensor::normal({3, 4}, 0, 1, rng, DType::f64), true);
  Tensor expected = p.value().clone(), v = Tensor::zeros({3, 4}, DType::f64);
  Muon optimizer({p}, {.lr = 0.1, .momentum = 0.6, .weight_decay = 0.05});
  for (int step = 0; step < 4; ++step) {
    const Tensor g = Tensor::normal({3, 4}, 0, 1, rng, DType::f64);
    v = v * 0.6 + g;
    expected = expected * (1 - 0.1 * 0.05) - orthogonalize(g + v * 0.6) * (0.1 * 0.2 * 2);  // 2: root of the side 4
    Variable(p).grad() = g.clone();
    optimizer.step();
    CHECK(relative_distance(p.value(), expected) < 1e-14);
  }
}

TEST_CASE("Muon's updates have the size of AdamW's, whatever the gradient's and the shape") {
  const Shape shape = GENERATE(Shape{20, 30}, Shape{16, 3, 3, 8}, Shape{64, 4});
  CAPTURE(shape);
  Rng rng(1);
  Variable p(Tensor::zeros(shape, DType::f64), true);
  Muon optimizer({p}, {.lr = 0.5});
  p.grad() = Tensor::normal(shape, 0, 1e-5, rng, DType::f64);
  optimizer.step();
  double squares = 0;
  for (const double w : p.value().to_vector<double>()) squares += w * w;
  const double size = std::sqrt(squares / static_cast<double>(shape.numel()));
  CHECK(size > 0.7 * 0.2 * 0.5);
  CHECK(size < 1.2 * 0.2 * 0.5);
}

TEST_CASE("Muon takes a convolution's weights as outputs against patches") {
  Rng rng(1);
  const Tensor start = Tensor::normal({4, 3, 3, 2}, 0, 1, rng), grad = Tensor::normal({4, 3, 3, 2}, 0, 1, rng);
  Variable filters(start.clone(), true), matrix(start.clone().reshape({4, 18}), true);
  Muon a({filters}, {}), b({matrix}, {});
  filters.grad() = grad.clone();
  matrix.grad() = grad.clone().reshape({4, 18});
  a.step();
  b.step();
  CHECK(bitwise_equal(filters.value().reshape({4, 18}), matrix.value()));
}

TEST_CASE("Muon moves all but matrices as AdamW does") {
  const Variable p = scalar_parameter(2.0), q = scalar_parameter(2.0);
  Muon muon({p}, {.lr = 0.1, .momentum = 0.8, .beta2 = 0.9, .weight_decay = 0.05});
  AdamW adam({q}, {.lr = 0.1, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.05});
  check_trajectory(muon, p, {1.0, -0.5, 2.0}, [&](double g) {
    set_grad(q, g);
    adam.step();
    return q.item();
  });
}

TEST_CASE("Muon refuses settings out of range") {
  CHECK_THROWS_WITH(Muon({scalar_parameter(1.0)}, {.momentum = 1}),
                    "muon: momentum and beta2 must be in [0, 1), got 1, 0.95");
}
