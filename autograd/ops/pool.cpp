#include <kindling/autograd/ops/pool.h>

#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>

namespace kindling {

Variable max_pool2d(const Variable& x, const Pool2dOptions& o) {
  MaxPool2dResult y = max_pool2d(x.value(), o);
  return record(
      "max_pool2d", std::move(y.values), {x, std::move(y.argmax)}, Keep::others,
      [o](const Step& s) { return max_unpool2d(s.grad, s.input(1), s.input_shape(0), o); },  // dL/dx
      NoGradient());                                                                         // argmax
}

Variable max_pool2d_at(const Variable& x, const Variable& argmax, const Pool2dOptions& o) {
  return record(
      "max_pool2d_at", max_pool2d_at(x.value(), argmax.value(), o), {x, argmax}, Keep::others,
      [o](const Step& s) { return max_unpool2d(s.grad, s.input(1), s.input_shape(0), o); },  // dL/dx
      NoGradient());                                                                         // argmax
}

Variable max_unpool2d(const Variable& grad, const Variable& argmax, const Shape& x_shape, const Pool2dOptions& o) {
  return record(
      "max_unpool2d", max_unpool2d(grad.value(), argmax.value(), x_shape, o), {grad, argmax}, Keep::others,
      [o](const Step& s) { return max_pool2d_at(s.grad, s.input(1), o); },  // by grad
      NoGradient());                                                        // argmax
}

Variable avg_pool2d(const Variable& x, const Pool2dOptions& o) {
  return record("avg_pool2d", avg_pool2d(x.value(), o), {x}, Keep::nothing,
                [o](const Step& s) { return avg_pool2d_grad(s.grad, s.input_shape(0), o); });
}

Variable avg_pool2d_grad(const Variable& grad, const Shape& x_shape, const Pool2dOptions& o) {
  return record("avg_pool2d_grad", avg_pool2d_grad(grad.value(), x_shape, o), {grad}, Keep::nothing,
                [o](const Step& s) { return avg_pool2d(s.grad, o); });
}

Variable global_avg_pool(const Variable& x) {
  check(x.rank() == 4, "global_avg_pool", "needs [N, H, W, C], got ", x.shape());
  return mean(x, {1, 2});
}

}  // namespace kindling
