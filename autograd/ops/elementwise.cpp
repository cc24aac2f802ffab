#include <kindling/autograd/ops/elementwise.h>

#include <numbers>
#include <utility>

#include <kindling/autograd/engine.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

// x as `shape`, so that the rules below never meet unequal shapes.
Variable stretched(const Variable& x, const Shape& shape) { return x.shape() == shape ? x : broadcast_to(x, shape); }

std::pair<Variable, Variable> broadcast(const char* op, const Variable& a, const Variable& b) {
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  return {stretched(a, shape), stretched(b, shape)};
}

Tensor zero_like(const Variable& x) { return Tensor::scalar(0.0, x.dtype()); }

}  // namespace

Variable record_sum(Tensor sum, const Variable& a, const Variable& b) {
  return record(
      "add", std::move(sum), {a, b}, Keep::nothing,  // y = a + b
      [](const Step& s) { return s.grad; },          // dL/da
      [](const Step& s) { return s.grad; });         // dL/db
}

Variable add(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("add", x, y);
  return record_sum(add(a.value(), b.value()), a, b);
}

Variable add(Variable&& x, const Variable& y) {
  if (&x == &y) return add(y, y);
  const Variable a = std::move(x);
  if (!detail::may_hold_sum(a.value(), y.value())) return add(a, y);
  Tensor sum = a.value();
  return record_sum(sum.add_(y.value()), a, y);
}

Variable sub(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("sub", x, y);
  return record(
      "sub", sub(a.value(), b.value()), {a, b}, Keep::nothing,  // y = a - b
      [](const Step& s) { return s.grad; },                     // dL/da
      [](const Step& s) { return neg(s.grad); });               // dL/db
}

Variable mul(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("mul", x, y);
  return record(
      "mul", mul(a.value(), b.value()), {a, b}, Keep::others,  // y = a b
      [](const Step& s) { return mul(s.grad, s.input(1)); },   // dL/da
      [](const Step& s) { return mul(s.grad, s.input(0)); });  // dL/db
}

Variable div(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("div", x, y);
  return record(
      "div", div(a.value(), b.value()), {a, b}, Keep::inputs,  // y = a / b
      [](const Step& s) { return div(s.grad, s.input(1)); },   // dL/da
      // dL/db = -(a / b) / b: b^2 may overflow, or be 0, where this does not
      [](const Step& s) { return neg(mul(s.grad, div(div(s.input(0), s.input(1)), s.input(1)))); });
}

Variable maximum(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("maximum", x, y);
  return record(
      "maximum", maximum(a.value(), b.value()), {a, b}, Keep::inputs,                    // y = max(a, b)
      [](const Step& s) { return mul(s.grad, greater_equal(s.input(0), s.input(1))); },  // dL/da
      [](const Step& s) { return mul(s.grad, less(s.input(0), s.input(1))); });          // dL/db
}

Variable minimum(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("minimum", x, y);
  return record(
      "minimum", minimum(a.value(), b.value()), {a, b}, Keep::inputs,                 // y = min(a, b)
      [](const Step& s) { return mul(s.grad, less_equal(s.input(0), s.input(1))); },  // dL/da
      [](const Step& s) { return mul(s.grad, greater(s.input(0), s.input(1))); });    // dL/db
}

Variable pow(const Variable& x, const Variable& y) {
  const auto [a, b] = broadcast("pow", x, y);
  return record(
      "pow", pow(a.value(), b.value()), {a, b}, Keep::inputs,  // y = a^b
      [](const Step& s) {  // b a^(b-1), with the exponent 1 where a = b = 0: there 0 * 0^-1 would be NaN
        const Variable a = s.input(0), b = s.input(1);
        const Variable zero = mul(equal(a, zero_like(a)), equal(b, zero_like(b)));
        return mul(s.grad, mul(b, pow(a, where(zero, zero, b - 1.0))));
      },
      [](const Step& s) {  // a^b log(a), with log(1) where a = 0
        const Variable a = s.input(0), zero = equal(a, zero_like(a));
        return mul(s.grad, mul(pow(a, s.input(1)), log(where(zero, zero, a))));
      });
}

Variable equal(const Variable& a, const Variable& b) { return equal(a.value(), b.value()); }
Variable less(const Variable& a, const Variable& b) { return less(a.value(), b.value()); }
Variable less_equal(const Variable& a, const Variable& b) { return less_equal(a.value(), b.value()); }
Variable greater(const Variable& a, const Variable& b) { return greater(a.value(), b.value()); }
Variable greater_equal(const Variable& a, const Variable& b) { return greater_equal(a.value(), b.value()); }
Variable sign(const Variable& x) { return sign(x.value()); }

Variable where(const Variable& condition, const Variable& x, const Variable& y) {
  const Shape shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", x.shape(), y.shape()));
  const Variable mask = stretched(condition.detach(), shape), a = stretched(x, shape), b = stretched(y, shape);
  return record(
      "where", where(mask.value(), a.value(), b.value()), {mask, a, b}, Keep::others,
      NoGradient(),                                                                 // dL/dmask
      [](const Step& s) { return where(s.input(0), s.grad, zero_like(s.grad)); },   // dL/da
      [](const Step& s) { return where(s.input(0), zero_like(s.grad), s.grad); });  // dL/db
}

Variable neg(const Variable& x) {
  return record("neg", neg(x.value()), {x}, Keep::nothing, [](const Step& s) { return neg(s.grad); });
}

Variable abs(const Variable& x) {
  return record("abs", abs(x.value()), {x}, Keep::inputs, [](const Step& s) { return mul(s.grad, sign(s.input(0))); });
}

Variable exp(const Variable& x) {
  return record("exp", exp(x.value()), {x}, Keep::output, [](const Step& s) { return mul(s.grad, s.output()); });
}

Variable log(const Variable& x) {
  return record("log", log(x.value()), {x}, Keep::inputs, [](const Step& s) { return div(s.grad, s.input(0)); });
}

Variable log1p(const Variable& x) {
  return record("log1p", log1p(x.value()), {x}, Keep::inputs,
                [](const Step& s) { return div(s.grad, s.input(0) + 1.0); });
}

Variable sqrt(const Variable& x) {
  return record("sqrt", sqrt(x.value()), {x}, Keep::output,
                [](const Step& s) { return div(s.grad, s.output() * 2.0); });
}

Variable rsqrt(const Variable& x) {
  return record("rsqrt", rsqrt(x.value()), {x}, Keep::output,
                [](const Step& s) { return mul(s.grad, pow(s.output(), 3.0) * -0.5); });
}

Variable square(const Variable& x) {
  return record("square", square(x.value()), {x}, Keep::inputs,
                [](const Step& s) { return mul(s.grad, s.input(0) * 2.0); });
}

Variable reciprocal(const Variable& x) {
  return record("reciprocal", reciprocal(x.value()), {x}, Keep::output,
                [](const Step& s) { return neg(mul(s.grad, square(s.output()))); });
}

Variable sin(const Variable& x) {
  return record("sin", sin(x.value()), {x}, Keep::inputs, [](const Step& s) { return mul(s.grad, cos(s.input(0))); });
}

Variable cos(const Variable& x) {
  return record("cos", cos(x.value()), {x}, Keep::inputs,
                [](const Step& s) { return neg(mul(s.grad, sin(s.input(0)))); });
}

Variable tanh(const Variable& x) {
  return record("tanh", tanh(x.value()), {x}, Keep::output,
                [](const Step& s) { return mul(s.grad, 1.0 - square(s.output())); });
}

Variable sigmoid(const Variable& x) {
  return record("sigmoid", sigmoid(x.value()), {x}, Keep::output,
                [](const Step& s) { return mul(s.grad, mul(s.output(), 1.0 - s.output())); });
}

Variable softplus(const Variable& x) {
  return record("softplus", softplus(x.value()), {x}, Keep::inputs,
                [](const Step& s) { return mul(s.grad, sigmoid(s.input(0))); });
}

Variable erf(const Variable& x) {  // 2 / sqrt(pi) exp(-x^2)
  return record("erf", erf(x.value()), {x}, Keep::inputs, [](const Step& s) {
    return mul(s.grad, exp(neg(square(s.input(0)))) * (2.0 * std::numbers::inv_sqrtpi));
  });
}

Variable relu(const Variable& x) {
  return record("relu", relu(x.value()), {x}, Keep::output,
                [](const Step& s) { return relu_grad(s.grad, s.output()); });
}

Variable relu_grad(const Variable& grad, const Variable& y) {
  return record(
      "relu_grad", relu_grad(grad.value(), y.value()), {grad, y.detach()}, Keep::others,
      [](const Step& s) { return relu_grad(s.grad, s.input(1)); }, NoGradient());
}

Variable add(const Variable& x, double scalar) {
  return record("add_scalar", add(x.value(), scalar), {x}, Keep::nothing, [](const Step& s) { return s.grad; });
}

Variable mul(const Variable& x, double scalar) {
  return record("mul_scalar", mul(x.value(), scalar), {x}, Keep::nothing,
                [scalar](const Step& s) { return mul(s.grad, scalar); });
}

Variable pow(const Variable& x, double exponent) {
  return record("pow_scalar", pow(x.value(), exponent), {x}, Keep::inputs, [exponent](const Step& s) {
    if (exponent == 0.0) return mul(s.grad, 0.0);  // not 0 * x^-1, which is NaN at 0
    return mul(s.grad, pow(s.input(0), exponent - 1.0) * exponent);
  });
}

}  // namespace kindling
