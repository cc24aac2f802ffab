#include <kindling/autograd/ops/conv.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/pool.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

// The gradients of a convolution, input 0, with the weights, input 1, by g, the gradient of its result: added where
// others have arrived already, or returned.
Variable input_grad(const Step& s, const Variable& g, const Conv2dOptions& o) {
  Tensor* sum = s.sum(0);
  if (sum == nullptr) return conv2d_input_grad(g, s.input(1), s.input_shape(0), o);
  add_conv2d_input_grad(*sum, g.value(), s.input(1).value(), o);
  return {};
}
Variable weight_grad(const Step& s, const Variable& g, const Conv2dOptions& o) {
  Tensor* sum = s.sum(1);
  if (sum == nullptr) return conv2d_weight_grad(g, s.input(0), s.input_shape(1), o);
  add_conv2d_weight_grad(*sum, g.value(), s.input(0).value(), o);
  return {};
}

/// The gradients by a convolution's ReLU'd result y: of the convolution's own and of its bias.
struct ReluGrad {
  Variable grad, bias;
};
ReluGrad relu_grads(const Variable& grad, const Variable& y, bool has_bias) {
  if (!is_recording()) {
    ReluBiasGrad grads = relu_bias_grad(grad.value(), y.value());
    return {std::move(grads.grad), std::move(grads.bias)};
  }
  const Variable g = relu_grad(grad, y);
  return {g, has_bias ? sum(g, {0, 1, 2}) : Variable()};
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& o, const Out& out) {
  check_not_adding("conv2d", out);
  Tensor y = conv2d(x.value(), w.value(), bias.value(), o, out);
  const auto dx = [o](const Step& s) { return input_grad(s, s.grad, o); };
  const auto dw = [o](const Step& s) { return weight_grad(s, s.grad, o); };
  const auto dbias = [](const Step& s) { return sum(s.grad, {0, 1, 2}); };
  if (!bias.defined()) return record("conv2d", std::move(y), {x, w}, Keep::others, dx, dw);
  return record("conv2d", std::move(y), {x, w, bias}, Keep::others, dx, dw, dbias);
}

Variable conv2d_relu(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& o,
                     const Out& out) {
  check_not_adding("conv2d_relu", out);
  Tensor y = conv2d_relu(x.value(), w.value(), bias.value(), o, out);
  const auto rule = [o](const Step& s, const Wanted& wanted) {
    const auto [g, dbias] = relu_grads(s.grad, s.output(), s.input_count() > 2);
    Variables result(s.input_count());
    if (wanted[0]) result[0] = input_grad(s, g, o);
    if (wanted[1]) result[1] = weight_grad(s, g, o);
    if (result.size() > 2) result[2] = dbias;
    return result;
  };
  if (!bias.defined()) return record_joint("conv2d_relu", std::move(y), {x, w}, Keep::all, rule);
  return record_joint("conv2d_relu", std::move(y), {x, w, bias}, Keep::all, rule);
}

Variable conv2d_max_pool2d(const Variable& x, const Variable& w, const Variable& bias, const ConvPoolOptions& o) {
  MaxPool2dResult y = conv2d_max_pool2d(x.value(), w.value(), bias.value(), o);
  const auto rule = [o](const Step& s, const Wanted& wanted) {
    const bool has_bias = s.input_count() > 3;
    const Variable argmax = s.input(2);
    // ReLU leaves the largest pixel of a window the largest, so its gradient may be taken on the smaller map.
    ReluGrad by = o.relu ? relu_grads(s.grad, s.output(), has_bias)
                         : ReluGrad{s.grad, has_bias && wanted[3] ? sum(s.grad, {0, 1, 2}) : Variable()};
    Variables result(s.input_count());
    if (has_bias) result[3] = by.bias;
    if (!wanted[0] && !is_recording()) {
      if (!wanted[1]) return result;
      Tensor* sum = s.sum(1);
      Tensor dw = sum != nullptr ? *sum : Tensor::zeros(s.input_shape(1), by.grad.dtype());
      add_conv2d_max_pool2d_weight_grad(dw, by.grad.value(), argmax.value(), s.input(0).value(), o);
      if (sum == nullptr) result[1] = dw;
      return result;
    }
    const Shape map = conv2d_shape(s.input_shape(0), s.input_shape(1), o.conv);
    const Variable g = max_unpool2d(by.grad, argmax, map, o.pool);
    if (wanted[0]) result[0] = input_grad(s, g, o.conv);
    if (wanted[1]) result[1] = weight_grad(s, g, o.conv);
    return result;
  };
  if (!bias.defined())
    return record_joint("conv2d_max_pool2d", std::move(y.values), {x, w, std::move(y.argmax)}, Keep::all, rule);
  return record_joint("conv2d_max_pool2d", std::move(y.values), {x, w, std::move(y.argmax), bias}, Keep::all, rule);
}

Variable conv2d_input_grad(const Variable& grad, const Variable& w, const Shape& x_shape, const Conv2dOptions& o) {
  return record(
      "conv2d_input_grad", conv2d_input_grad(grad.value(), w.value(), x_shape, o), {grad, w}, Keep::others,
      [o](const Step& s) { return conv2d(s.grad, s.input(1), {}, o); },                             // by grad
      [o](const Step& s) { return conv2d_weight_grad(s.input(0), s.grad, s.input_shape(1), o); });  // by w
}

Variable conv2d_weight_grad(const Variable& grad, const Variable& x, const Shape& w_shape, const Conv2dOptions& o) {
  return record(
      "conv2d_weight_grad", conv2d_weight_grad(grad.value(), x.value(), w_shape, o), {grad, x}, Keep::others,
      [o](const Step& s) { return conv2d(s.input(1), s.grad, {}, o); },                            // by grad
      [o](const Step& s) { return conv2d_input_grad(s.input(0), s.grad, s.input_shape(1), o); });  // by x
}

}  // namespace kindling
