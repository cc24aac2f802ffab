#include <cmath>

#include <kindling/autograd/ops/activation.h>
#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

struct Domain {
  double low = -2, high = 2;
};

using Unary = Variable (*)(const Variable&);
using Binary = Variable (*)(const Variable&, const Variable&);

void add_unary(std::vector<OpCase>& cases, const char* op, Domain domain, Unary function, double (*reference)(double)) {
  for (const Shape& shape : {Shape{}, Shape{1, 1}, Shape{3, 5, 7}})
    cases.push_back({op, to_string(shape), uniform({shape}, domain.low, domain.high),
                     [function](const Args& x) { return function(x[0]); },
                     [reference](const Inputs& x) {
                       return build(x[0].shape(), [&](const Shape& i) { return reference(at(x[0], i)); });
                     }});
}

void add_binary(std::vector<OpCase>& cases, const char* op, Domain domain, Binary function,
                double (*reference)(double, double)) {
  const std::vector<std::pair<Shape, Shape>> shapes = {{{3, 5}, {3, 5}},    {{}, {}},  {{1}, {1}},
                                                       {{2, 1, 5}, {3, 1}}, {{4}, {}}, {{1, 3}, {5, 3}}};
  for (const auto& [a, b] : shapes)
    cases.push_back({op, to_string(a) + " and " + to_string(b), uniform({a, b}, domain.low, domain.high),
                     [function](const Args& x) { return function(x[0], x[1]); },
                     [reference](const Inputs& x) {
                       return build(broadcast_shapes("build", x[0].shape(), x[1].shape()),
                                    [&](const Shape& i) { return reference(at(x[0], i), at(x[1], i)); });
                     }});
}

// The mask is handed over as u8, which gradcheck takes for a constant; f64 it would move.
void add_where(std::vector<OpCase>& cases, const Shape& mask, const Shape& a, const Shape& b) {
  const auto inputs = [=](Rng& rng) {
    const Tensor signs = Tensor::uniform(mask, -1, 1, rng, DType::f64);
    return Inputs{greater(signs, Tensor::scalar(0, DType::f64)).to(DType::u8),
                  Tensor::uniform(a, -2, 2, rng, DType::f64), Tensor::uniform(b, -2, 2, rng, DType::f64)};
  };
  const auto function = [](const Args& x) { return where(x[0].value().to(x[1].dtype()), x[1], x[2]); };
  const auto reference = [](const Inputs& x) {
    const Shape shape = broadcast_shapes("build", x[0].shape(), broadcast_shapes("build", x[1].shape(), x[2].shape()));
    return build(shape, [&](const Shape& i) { return at(x[0], i) != 0 ? at(x[1], i) : at(x[2], i); });
  };
  cases.push_back({"where", "mask " + to_string(mask), inputs, function, reference});
}

}  // namespace

void add_elementwise(std::vector<OpCase>& cases) {
  add_binary(cases, "add", {}, add, [](double a, double b) { return a + b; });
  add_binary(cases, "sub", {}, sub, [](double a, double b) { return a - b; });
  add_binary(cases, "mul", {}, mul, [](double a, double b) { return a * b; });
  add_binary(cases, "div", {0.5, 3}, div, [](double a, double b) { return a / b; });
  add_binary(cases, "maximum", {}, maximum, [](double a, double b) { return std::max(a, b); });
  add_binary(cases, "minimum", {}, minimum, [](double a, double b) { return std::min(a, b); });
  add_binary(cases, "pow", {0.5, 2}, pow, std::pow);
  add_where(cases, {3, 5}, {3, 5}, {3, 5});
  add_where(cases, {3, 1}, {3, 5}, {5});
  add_where(cases, {}, {1}, {});

  add_unary(cases, "neg", {}, neg, [](double x) { return -x; });
  add_unary(cases, "abs", {}, abs, std::abs);
  add_unary(cases, "exp", {}, exp, std::exp);
  add_unary(cases, "log", {0.5, 3}, log, std::log);
  add_unary(cases, "log1p", {-0.5, 3}, log1p, std::log1p);
  add_unary(cases, "sqrt", {0.5, 3}, sqrt, std::sqrt);
  add_unary(cases, "rsqrt", {0.5, 3}, rsqrt, [](double x) { return 1 / std::sqrt(x); });
  add_unary(cases, "square", {}, square, [](double x) { return x * x; });
  add_unary(cases, "reciprocal", {0.5, 3}, reciprocal, [](double x) { return 1 / x; });
  add_unary(cases, "sin", {}, sin, std::sin);
  add_unary(cases, "cos", {}, cos, std::cos);
  add_unary(cases, "tanh", {}, tanh, std::tanh);
  add_unary(cases, "sigmoid", {-6, 6}, sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); });
  add_unary(cases, "softplus", {-6, 6}, softplus, [](double x) { return std::log1p(std::exp(x)); });
  add_unary(cases, "erf", {}, erf, std::erf);
  add_unary(cases, "relu", {}, relu, [](double x) { return std::max(x, 0.0); });
  // By grad alone: nothing flows to y, whose sign it takes.
  add_unary(
      cases, "relu_grad", {}, [](const Variable& x) { return relu_grad(x, sin(x.value() * 9.0)); },
      [](double x) { return std::sin(9 * x) > 0 ? x : 0.0; });
  add_unary(
      cases, "add_scalar", {}, [](const Variable& x) { return 3.0 - (1.5 + x - 0.25); },
      [](double x) { return 1.75 - x; });
  add_unary(
      cases, "mul_scalar", {}, [](const Variable& x) { return 3.0 * x / 4.0; }, [](double x) { return 0.75 * x; });
  add_unary(
      cases, "pow_scalar", {0.5, 2}, [](const Variable& x) { return pow(x, -1.5); },
      [](double x) { return std::pow(x, -1.5); });
  add_unary(
      cases, "pow_scalar", {}, [](const Variable& x) { return pow(x, 3.0) + pow(x, 1.0) + pow(x, 0.0); },
      [](double x) { return x * x * x + x + 1; });
}

void add_activations(std::vector<OpCase>& cases) {
  add_unary(
      cases, "clamp", {}, [](const Variable& x) { return clamp(x, -0.5, 1.25); },
      [](double x) { return std::min(std::max(x, -0.5), 1.25); });
  add_unary(
      cases, "leaky_relu", {}, [](const Variable& x) { return leaky_relu(x, 0.1); },
      [](double x) { return x > 0 ? x : 0.1 * x; });
  add_unary(
      cases, "elu", {}, [](const Variable& x) { return elu(x, 0.7); },
      [](double x) { return x > 0 ? x : 0.7 * std::expm1(x); });
  add_unary(cases, "silu", {-6, 6}, silu, [](double x) { return x / (1 + std::exp(-x)); });
  add_unary(cases, "gelu", {-4, 4}, gelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); });
  add_unary(cases, "mish", {-4, 4}, mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); });
  add_unary(cases, "relu6", {-2, 8}, relu6, [](double x) { return std::min(std::max(x, 0.0), 6.0); });
  add_unary(cases, "hard_sigmoid", {-5, 5}, hard_sigmoid,
            [](double x) { return std::min(std::max(x + 3, 0.0), 6.0) / 6; });
  add_unary(cases, "hard_swish", {-5, 5}, hard_swish,
            [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; });
}

}  // namespace kindling::table
