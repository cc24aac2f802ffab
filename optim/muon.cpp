#include <kindling/optim/muon.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/reduce.h>

namespace kindling {
namespace {

AdamOptions adam_options(const MuonOptions& options) {
  check(options.momentum >= 0 && options.momentum < 1 && options.beta2 >= 0 && options.beta2 < 1, "muon",
        "momentum and beta2 must be in [0, 1), got ", options.momentum, ", ", options.beta2);
  return {.lr = options.lr, .beta1 = options.momentum, .beta2 = options.beta2, .weight_decay = options.weight_decay};
}

bool is_matrix(const Shape& shape) { return shape.rank() >= 2; }

void add_to_diagonal(const Tensor& square, double value) {
  const int64_t n = square.size(0);
  square.with_layout({n}, {n + 1}, 0).add_(Tensor::scalar(value, square.dtype()));
}

}  // namespace

Tensor orthogonalize(const Tensor& x) {
  check(x.rank() == 2, "orthogonalize", "not a matrix: ", x.shape());
  constexpr int kSteps = 5;
  constexpr double kLinear = 3.4445, kCubic = -4.7750, kQuintic = 2.0315;
  const bool tall = x.size(0) > x.size(1);  // the products below are squares of the smaller side
  Tensor y = (tall ? x.transpose() : x).clone();
  const double length = norm(y);
  if (length == 0) return x.clone();
  y.mul_(1.0 / length);
  // Every step multiplies y from the left by a polynomial p of g = y y', and so g by p^2. All of these commute and are
  // symmetric. So the steps need products of the smaller side alone, and y is multiplied once, by the product of all p:
  // of 256 x 576 floats at 0.6 of the cost, of square ones at the same. It loses digits: in float up to 4e-4 of the
  // result's norm are wrong, not 1e-5.
  Tensor g = symmetric_matmul(y, transpose(y)), all;
  for (int step = 0; step < kSteps; ++step) {
    Tensor p = kCubic * g;
    symmetric_matmul(kQuintic * g, g, {p, true});
    add_to_diagonal(p, kLinear);
    all = step == 0 ? p : symmetric_matmul(p, all);
    if (step + 1 < kSteps) g = symmetric_matmul(symmetric_matmul(p, g), p);
  }
  y = matmul(all, y);
  return tall ? y.transpose() : y;
}

Muon::Muon(Variables parameters, const MuonOptions& options) : AdamW(std::move(parameters), adam_options(options)) {}

Muon::Muon(std::vector<ParameterGroup> groups, const MuonOptions& options)
    : AdamW(std::move(groups), adam_options(options)) {}

std::vector<std::string> Muon::moment_names(const Shape& parameter) const {
  return is_matrix(parameter) ? std::vector<std::string>{"velocity"} : AdamW::moment_names(parameter);
}

void Muon::update(Slot& slot) {
  Tensor weight = slot.parameter.value();
  if (!is_matrix(weight.shape())) return AdamW::update(slot);
  constexpr double kAdamsSize = 0.2;  // root mean square of AdamW's updates, by experience
  Tensor& velocity = slot.moments[0];
  const Tensor& grad = slot.parameter.grad();
  velocity.mul_(momentum()).add_(grad);
  Tensor ahead = grad.clone();
  ahead.add_(velocity, momentum());
  const Tensor direction = orthogonalize(ahead.reshape({weight.size(0), -1}));
  const double rate = lr() * slot.lr_factor;
  const auto larger_side = static_cast<double>(std::max(direction.size(0), direction.size(1)));
  weight.mul_(1.0 - rate * slot.weight_decay);
  weight.add_(direction.reshape(weight.shape()), -rate * kAdamsSize * std::sqrt(larger_side));
}

}  // namespace kindling
