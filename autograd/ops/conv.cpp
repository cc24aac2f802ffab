#include <kindling/autograd/ops/conv.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/pool.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>

namespace kindling {
Variable conv2d(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& o, const Out& out) {
  check_not_adding("conv2d", out);
  Tensor y = conv2d(x.value(), w.value(), bias.value(), o, out);
  const auto dx = [o](const Step& s) { return conv2d_input_grad(s.grad, s.input(1), s.input_shape(0), o, s.out(0)); };
  const auto dw = [o](const Step& s) { return conv2d_weight_grad(s.grad, s.input(0), s.input_shape(1), o, s.out(1)); };
  const auto dbias = [](const Step& s) { return sum(s.grad, {0, 1, 2}); };
  if (!bias.defined()) return record("conv2d", std::move(y), {x, w}, Keep::others, dx, dw);
  return record("conv2d", std::move(y), {x, w, bias}, Keep::others, dx, dw, dbias);
}

Variable conv2d_relu(const Variable& x, const Variable& w, const Variable& bias, const Conv2dOptions& o,
                     const Out& out) {
  check_not_adding("conv2d_relu", out);
  Tensor y = conv2d_relu(x.value(), w.value(), bias.value(), o, out);
  const auto rule = [o](const Step& s, const Wanted& wanted) {
    // Of the convolution's own result, and of the bias.
    const ReluGrads by = relu_bias_grad(s.grad, s.output(), s.in_place());
    Variables result(s.input_count());
    if (wanted[0]) result[0] = conv2d_input_grad(by.grad, s.input(1), s.input_shape(0), o, s.out(0));
    if (wanted[1]) result[1] = conv2d_weight_grad(by.grad, s.input(0), s.input_shape(1), o, s.out(1));
    if (result.size() > 2) result[2] = by.bias;
    return result;
  };
  if (!bias.defined()) return record_joint("conv2d_relu", std::move(y), {x, w}, Keep::all, rule);
  return record_joint("conv2d_relu", std::move(y), {x, w, bias}, Keep::all, rule);
}

Variable conv2d_max_pool2d(const Variable& x, const Variable& w, const Variable& bias, const ConvPoolOptions& o) {
  MaxPool2dResult y = conv2d_max_pool2d(x.value(), w.value(), bias.value(), o);
  const auto rule = [o](const Step& s, const Wanted& wanted) {
    const bool bias_wanted = s.input_count() > 3 && wanted[3];
    const Variable argmax = s.input(2);
    // ReLU leaves the largest pixel of a window the largest, so its gradient may be taken on the smaller map.
    const ReluGrads by = o.relu ? relu_bias_grad(s.grad, s.output(), s.in_place())
                                : ReluGrads{s.grad, bias_wanted ? sum(s.grad, {0, 1, 2}) : Variable()};
    Variables result(s.input_count());
    if (bias_wanted) result[3] = by.bias;
    if (wanted[0]) {
      const Shape map = conv2d_shape(s.input_shape(0), s.input_shape(1), o.conv);
      const Variable g = max_unpool2d(by.grad, argmax, map, o.pool);
      result[0] = conv2d_input_grad(g, s.input(1), s.input_shape(0), o.conv, s.out(0));
      if (wanted[1]) result[1] = conv2d_weight_grad(g, s.input(0), s.input_shape(1), o.conv, s.out(1));
    } else if (wanted[1]) {
      result[1] = conv2d_max_pool2d_weight_grad(by.grad, argmax, s.input(0), s.input_shape(1), o, s.out(1));
    }
    return result;
  };
  if (!bias.defined())
    return record_joint("conv2d_max_pool2d", std::move(y.values), {x, w, std::move(y.argmax)}, Keep::all, rule);
  return record_joint("conv2d_max_pool2d", std::move(y.values), {x, w, std::move(y.argmax), bias}, Keep::all, rule);
}

Variable conv2d_input_grad(const Variable& grad, const Variable& w, const Shape& x_shape, const Conv2dOptions& o,
                           const Out& out) {
  check_not_adding("conv2d_input_grad", out);
  return record(
      "conv2d_input_grad", conv2d_input_grad(grad.value(), w.value(), x_shape, o, out), {grad, w}, Keep::others,
      [o](const Step& s) { return conv2d(s.grad, s.input(1), {}, o); },                                       // by grad
      [o](const Step& s) { return conv2d_weight_grad(s.input(0), s.grad, s.input_shape(1), o, s.out(1)); });  // by w
}

Variable conv2d_weight_grad(const Variable& grad, const Variable& x, const Shape& w_shape, const Conv2dOptions& o,
                            const Out& out) {
  check_not_adding("conv2d_weight_grad", out);
  return record(
      "conv2d_weight_grad", conv2d_weight_grad(grad.value(), x.value(), w_shape, o, out), {grad, x}, Keep::others,
      [o](const Step& s) { return conv2d(s.input(1), s.grad, {}, o); },                                      // by grad
      [o](const Step& s) { return conv2d_input_grad(s.input(0), s.grad, s.input_shape(1), o, s.out(1)); });  // by x
}

Variable conv2d_max_pool2d_weight_grad(const Variable& grad, const Variable& argmax, const Variable& x,
                                       const Shape& w_shape, const ConvPoolOptions& o, const Out& out) {
  check_not_adding("conv2d_max_pool2d_weight_grad", out);
  const Shape map = conv2d_shape(x.shape(), w_shape, o.conv);
  return record(
      "conv2d_max_pool2d_weight_grad",
      conv2d_max_pool2d_weight_grad(grad.value(), argmax.value(), x.value(), w_shape, o, out), {grad, argmax, x},
      Keep::others,
      [o](const Step& s) { return max_pool2d_at(conv2d(s.input(2), s.grad, {}, o.conv), s.input(1), o.pool); },
      NoGradient(),              // argmax
      [o, map](const Step& s) {  // by x
        const Variable g = max_unpool2d(s.input(0), s.input(1), map, o.pool);
        return conv2d_input_grad(g, s.grad, s.input_shape(2), o.conv, s.out(2));
      });
}

ReluGrads relu_bias_grad(const Variable& grad, const Variable& y, const Out& out) {
  check_not_adding("relu_bias_grad", out);
  ReluBiasGrad values = relu_bias_grad(grad.value(), y.value(), out);
  const Variable passed = record(
      "relu_bias_grad", std::move(values.grad), {grad, y.detach()}, Keep::others,
      [](const Step& s) { return relu_grad(s.grad, s.input(1)); }, NoGradient());
  return {passed, record("relu_bias_grad", std::move(values.bias), {passed}, Keep::nothing,
                         [](const Step& s) { return broadcast_to(s.grad, s.input_shape(0)); })};
}

}  // namespace kindling
