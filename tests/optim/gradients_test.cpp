// Norm, clipping and scaling of gradients.
#include <kindling/optim/gradients.h>

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/tensor/reduce.h>

using namespace kindling;

namespace {

Variable with_grad(const std::vector<double>& grad) {
  Variable p(Tensor::zeros({static_cast<int64_t>(grad.size())}, DType::f64), true);
  p.grad() = Tensor::from(grad);
  return p;
}

}  // namespace

TEST_CASE("The norm is that of all gradients together") {
  const Variable none(Tensor::zeros({3}), true);
  CHECK(grad_norm({with_grad({3, 0}), none, with_grad({4})}) == 5.0);
  CHECK(grad_norm({none}) == 0.0);
}

TEST_CASE("Clipping keeps the direction and returns the norm before") {
  const Variables parameters{with_grad({3, 0}), with_grad({4})};
  CHECK(clip_grad_norm(parameters, 1.0) == 5.0);
  const double factor = 1.0 / (5.0 + 1e-6);
  CHECK(parameters[0].grad().to_vector<double>() == std::vector<double>{3 * factor, 0});
  CHECK(parameters[1].grad().to_vector<double>() == std::vector<double>{4 * factor});
}

TEST_CASE("Gradients within the norm, and those with NaN or Inf, are left alone") {
  const Variables small{with_grad({0.3, 0.4})};
  CHECK(clip_grad_norm(small, 1.0) == 0.5);
  CHECK(small[0].grad().to_vector<double>() == std::vector<double>{0.3, 0.4});
  const double inf = std::numeric_limits<double>::infinity();
  const Variables bad{with_grad({inf, 1})};
  CHECK(clip_grad_norm(bad, 1.0) == inf);
  CHECK(bad[0].grad().to_vector<double>() == std::vector<double>{inf, 1});
  CHECK_THROWS_WITH(clip_grad_norm(small, 0.0), "clip_grad_norm: max_norm must be positive, got 0");
}

TEST_CASE("Scaling by 1/n turns the sum of n micro-batches' gradients into the batch's") {
  Rng rng(1);
  const Tensor x = Tensor::normal({8, 3}, 0, 1, rng, DType::f64);
  const Variable w(Tensor::uniform({3}, -1, 1, rng, DType::f64), true);
  const auto loss = [&](const Tensor& batch) { return mean(square(Variable(batch) * w)); };
  loss(x).backward();
  const Tensor whole = w.grad().clone();
  Variable(w).zero_grad();
  for (int64_t begin = 0; begin < 8; begin += 2) loss(x.slice(0, begin, begin + 2)).backward();
  scale_grads({w}, 1.0 / 4);
  CHECK(relative_distance(w.grad(), whole) < 1e-14);  // double, summed in another order
}
