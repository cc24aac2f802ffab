#include <kindling/autograd/ops/activation.h>

#include <numbers>

namespace kindling {
namespace {

Variable constant(double value, const Variable& like) { return Tensor::scalar(value, like.dtype()); }

}  // namespace

Variable clamp(const Variable& x, double low, double high) {
  check(low <= high, "clamp", "low ", low, " is above high ", high);
  return minimum(maximum(x, constant(low, x)), constant(high, x));
}

Variable leaky_relu(const Variable& x, double slope) {
  const Variable positive = greater(x, constant(0.0, x));
  return x * (positive * (1.0 - slope) + slope);
}

Variable elu(const Variable& x, double alpha) {
  const Variable m = minimum(x, constant(0.0, x));
  // exp(m) - 1 = tanh(m / 2) (exp(m) + 1), without cancellation near 0.
  return relu(x) + tanh(m * 0.5) * (exp(m) + 1.0) * alpha;
}

Variable silu(const Variable& x) { return x * sigmoid(x); }

Variable gelu(const Variable& x) { return x * (erf(x * (1.0 / std::numbers::sqrt2)) + 1.0) * 0.5; }

Variable mish(const Variable& x) { return x * tanh(softplus(x)); }

Variable relu6(const Variable& x) { return clamp(x, 0.0, 6.0); }

Variable hard_sigmoid(const Variable& x) { return relu6(x + 3.0) / 6.0; }

Variable hard_swish(const Variable& x) { return x * hard_sigmoid(x); }

}  // namespace kindling
