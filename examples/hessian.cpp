// The sharpest direction of a loss: the largest eigenvalue of its Hessian, by Hessian-vector products alone.
// docs/own_loop.md explains it.
#include <cmath>
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

namespace {

// sum over the parameters of <a, b>.
Variable dot(const Variables& a, const Variables& b) {
  Variable total = sum(a[0] * b[0]);
  for (size_t i = 1; i < a.size(); ++i) total = total + sum(a[i] * b[i]);
  return total;
}

// H v, where H is the Hessian of `loss` in `parameters`: the gradient of <gradient, v>.
Variables hessian_times(const Variable& loss, const Variables& parameters, const Variables& v) {
  const Variables gradient = grad({loss}, parameters, CreateGraph::yes);
  return grad({dot(gradient, v)}, parameters);
}

Variables scaled(const Variables& v, double factor) {
  Variables result;
  for (const Variable& part : v) result.push_back(part * factor);
  return result;
}

}  // namespace

int main() {
  Rng rng(3);
  Sequential net;
  net.add("fc1", Linear(4, 16, rng));
  net.add("tanh1", Tanh());
  net.add("fc2", Linear(16, 3, rng));
  const Tensor input = Tensor::normal({64, 4}, 0.0, 1.0, rng);
  const Tensor target = argmax(input.slice(1, 0, 3), 1);
  const auto loss = [&] { return cross_entropy(net(input), target); };

  const Variables parameters = net.parameters();
  Variables v;
  for (const Variable& parameter : parameters) v.push_back(Tensor::normal(parameter.shape(), 0.0, 1.0, rng));
  double eigenvalue = 0;
  for (int i = 0; i < 50; ++i) {  // power iteration
    v = scaled(v, 1 / std::sqrt(dot(v, v).item()));
    const Variables product = hessian_times(loss(), parameters, v);
    eigenvalue = dot(v, product).item();
    v = product;
  }
  std::printf("largest eigenvalue of the Hessian: %.5f\n", eigenvalue);

  // The same from the loss alone: its second difference along that direction.
  v = scaled(v, 1 / std::sqrt(dot(v, v).item()));
  const double step = 0.05;
  const auto loss_at = [&](double distance) {
    for (size_t i = 0; i < v.size(); ++i) Tensor(parameters[i].value()).add_(v[i].value(), distance);
    const double value = loss().item();
    for (size_t i = 0; i < v.size(); ++i) Tensor(parameters[i].value()).add_(v[i].value(), -distance);
    return value;
  };
  const double curvature = (loss_at(step) - 2 * loss_at(0) + loss_at(-step)) / (step * step);
  std::printf("second difference of the loss:     %.5f\n", curvature);
  return std::abs(curvature - eigenvalue) < 0.02 * eigenvalue ? 0 : 1;
}
