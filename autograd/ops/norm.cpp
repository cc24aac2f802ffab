#include <kindling/autograd/ops/norm.h>

#include <kindling/autograd/anomaly.h>
#include <kindling/autograd/engine.h>
#include <kindling/autograd/ops/activation.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/pool.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/record.h>
#include <kindling/tensor/norm_pool.h>

namespace kindling {
namespace {

// batch_norm in plain operations: what the fused form is checked against, and where its second derivatives come from.
Variable plain_batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, double eps,
                          Activation activation) {
  Shape axes;
  for (int64_t axis = 0; axis < x.rank() - 1; ++axis) axes.push_back(axis);
  const Variable centred = x - mean(x, axes);
  const Variable inv_std = rsqrt(mean(square(centred), axes) + eps);
  const Variable y = centred * (inv_std * gamma) + beta;
  return activation == Activation::relu ? relu(y) : y;
}

Variable record_batch_norm(Tensor y, const Variable& x, const Variable& gamma, const Variable& beta,
                           const BatchNormStats& stats, double eps, Activation activation) {
  // The three gradients share two sums over x, so one kernel makes them all; their graph, when it is asked for, is that
  // of the plain operations.
  const auto rule = [eps, stats, activation](const Step& s) -> Variables {
    const Variable x = s.input(0), gamma = s.input(1), beta = s.input(2);
    if (is_recording())
      return gradients_of([&] { return plain_batch_norm(x, gamma, beta, eps, activation); }, {x, gamma, beta}, s.grad);
    BatchNormGrads grads =
        batch_norm_grads(s.grad.value(), x.value(), stats, gamma.value(), beta.value(), activation, s.in_place());
    return {std::move(grads.dx), std::move(grads.dgamma), std::move(grads.dbeta)};
  };
  return record_joint("batch_norm", std::move(y), {x, gamma, beta}, Keep::inputs, rule);
}

}  // namespace

BatchNormResult batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, double eps,
                           Activation activation, const Out& out) {
  check_not_adding("batch_norm", out);
  const BatchNormStats stats = batch_norm_stats(x.value(), eps);
  Tensor y = batch_norm_apply(x.value(), stats, gamma.value(), beta.value(), activation, out);
  return {record_batch_norm(std::move(y), x, gamma, beta, stats, eps, activation), stats};
}

BatchNormResult batch_norm_onto(Variable&& sum, const Variable& x, const Variable& gamma, const Variable& beta,
                                double eps, Activation activation) {
  if (&sum == &x) return batch_norm_onto(Variable(x), x, gamma, beta, eps, activation);
  const Variable a = std::move(sum);
  // Anomaly mode looks at every value by itself.
  if (detail::anomaly_mode() || !detail::may_hold_sum(a.value(), x.value())) {
    const BatchNormResult result = batch_norm(x, gamma, beta, eps, activation);
    return {a + result.values, result.stats};
  }
  const BatchNormStats stats = batch_norm_stats(x.value(), eps);
  const Tensor y =
      batch_norm_apply(x.value(), stats, gamma.value(), beta.value(), activation, {a.value(), /*add=*/true});
  // Only the sum sees it, and asks for no value.
  const Variable normalised = record_batch_norm(y, x, gamma, beta, stats, eps, activation);
  return {record_sum(y, a, normalised), stats};
}

BatchNormResult batch_norm_max_pool2d(const Variable& x, const Variable& gamma, const Variable& beta, double eps,
                                      Activation activation, const Pool2dOptions& pool) {
  const BatchNormStats stats = batch_norm_stats(x.value(), eps);
  MaxPool2dResult y = batch_norm_max_pool2d(x.value(), stats, gamma.value(), beta.value(), activation, pool);
  const auto rule = [eps, stats, activation, pool](const Step& s) -> Variables {
    const Variable x = s.input(0), gamma = s.input(1), beta = s.input(2), argmax = s.input(3);
    if (is_recording()) {
      const auto plain = [&] { return max_pool2d_at(plain_batch_norm(x, gamma, beta, eps, activation), argmax, pool); };
      Variables result = gradients_of(plain, {x, gamma, beta}, s.grad);
      result.emplace_back();  // argmax has none
      return result;
    }
    BatchNormGrads grads = batch_norm_max_pool2d_grads(s.grad.value(), argmax.value(), x.value(), stats, gamma.value(),
                                                       beta.value(), activation, pool);
    return {std::move(grads.dx), std::move(grads.dgamma), std::move(grads.dbeta), Variable()};
  };
  return {record_joint("batch_norm_max_pool2d", std::move(y.values), {x, gamma, beta, std::move(y.argmax)},
                       Keep::inputs, rule),
          stats};
}

Variable batch_norm_apply(const Variable& x, const BatchNormStats& stats, const Variable& gamma, const Variable& beta,
                          Activation activation, const Out& out) {
  check_not_adding("batch_norm_apply", out);
  Tensor y = batch_norm_apply(x.value(), stats, gamma.value(), beta.value(), activation, out);
  const bool with_relu = activation == Activation::relu;
  const auto passed = [with_relu](const Step& s) { return with_relu ? relu_grad(s.grad, s.output()) : s.grad; };
  return record(
      "batch_norm_apply", std::move(y), {x, gamma, beta, stats.mean, stats.inv_std},
      with_relu ? Keep::all : Keep::inputs,
      [passed](const Step& s) { return mul(passed(s), mul(s.input(1), s.input(4))); },  // dL/dx
      [passed](const Step& s) {                                                         // dL/dgamma
        return sum_to(mul(passed(s), mul(sub(s.input(0), s.input(3)), s.input(4))), s.input_shape(1));
      },
      [passed](const Step& s) { return sum_to(passed(s), s.input_shape(2)); },  // dL/dbeta
      NoGradient(), NoGradient());
}

Variable local_response_norm(const Variable& x, const LocalResponseNormOptions& o) {
  // With scale = k + alpha/size W(x^2), W the window sum: y = x scale^-beta and
  // dL/dx = grad scale^-beta - 2 alpha beta / size x W(grad x scale^(-beta-1)).
  return record("local_response_norm", local_response_norm(x.value(), o), {x}, Keep::inputs, [o](const Step& s) {
    const Variable x = s.input(0);
    const double share = o.alpha / static_cast<double>(o.size);
    const Variable scale = channel_window_sum(square(x), o.size) * share + o.k;
    const Variable direct = s.grad * pow(scale, -o.beta);
    const Variable through_scale = x * channel_window_sum(x * direct / scale, o.size);
    return direct - through_scale * (2.0 * share * o.beta);
  });
}

Variable channel_window_sum(const Variable& x, int64_t size) {
  return record("channel_window_sum", channel_window_sum(x.value(), size), {x}, Keep::nothing,
                [size](const Step& s) { return channel_window_sum(s.grad, size); });
}

}  // namespace kindling
