#include <kindling/optim/gradients.h>

#include <cmath>

#include <kindling/optim/constraint.h>
#include <kindling/tensor/reduce.h>

namespace kindling {

bool has_grad(const Variable& parameter) { return parameter.requires_grad() && parameter.grad().defined(); }

double grad_norm(const Variables& parameters) {
  double sum = 0;
  for (Variable parameter : parameters) {
    if (!has_grad(parameter)) continue;
    const auto& [codes, shared] = parameter.constraint();
    if (codes.defined() && !shared) hold_gradient(parameter);
    const Tensor grad = shared ? shared_gradient(parameter) : parameter.grad();
    sum += dot(grad, grad);
  }
  return std::sqrt(sum);
}

double clip_grad_norm(const Variables& parameters, double max_norm) {
  check(max_norm > 0, "clip_grad_norm", "max_norm must be positive, got ", max_norm);
  const double norm = grad_norm(parameters);
  if (std::isfinite(norm) && norm > max_norm) scale_grads(parameters, max_norm / (norm + 1e-6));
  return norm;
}

void scale_grads(const Variables& parameters, double factor) {
  for (Variable parameter : parameters) {
    if (has_grad(parameter)) parameter.grad().mul_(factor);
  }
}

}  // namespace kindling
