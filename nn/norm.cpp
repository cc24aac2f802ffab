#include <kindling/nn/norm.h>

#include <utility>

#include <kindling/autograd/ops/norm.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {

BatchNorm2d::BatchNorm2d(int64_t channels, const BatchNormOptions& options) : options_(options) {
  check(channels > 0, "batch_norm", "needs a positive number of channels, got ", channels);
  check(options.momentum >= 0 && options.momentum <= 1, "batch_norm", "momentum must be in [0, 1], got ",
        options.momentum);
  check(options.eps > 0, "batch_norm", "eps must be positive, got ", options.eps);
  weight = Variable(Tensor::ones({channels}), true);
  bias = Variable(Tensor::zeros({channels}), true);
  running_mean = Tensor::zeros({channels});
  running_var = Tensor::ones({channels});
}

void BatchNorm2d::visit(Visitor& visitor) {
  visitor("weight", weight);
  visitor("bias", bias);
  visitor("running_mean", running_mean);
  visitor("running_var", running_var);
}

void BatchNorm2d::check_channels(const Variable& x) const {
  const int64_t channels = weight.size(0);
  check(x.rank() >= 2 && x.shape().back() == channels, "batch_norm", "expects ", channels,
        " channels in the last axis: input ", x.shape());
}

int64_t BatchNorm2d::values_of(const Variable& x) const {
  const int64_t values = x.numel() / weight.size(0);
  check(values > 1, "batch_norm", "needs more than one value per channel in training: input ", x.shape());
  return values;
}

Variable BatchNorm2d::forward_to(const Variable& x, const Out& out) {
  check_channels(x);
  if (!training())
    return batch_norm_apply(x, {.mean = running_mean, .inv_std = rsqrt(running_var + options_.eps)}, weight, bias,
                            activation(), out);
  return train_by(x, [&] { return batch_norm(x, weight, bias, options_.eps, activation(), out); }).values;
}

BatchNormResult BatchNorm2d::train_pooled(const Variable& x, const Pool2dOptions& pool) {
  return train_by(x, [&] { return batch_norm_max_pool2d(x, weight, bias, options_.eps, activation(), pool); });
}

BatchNormResult BatchNorm2d::train_onto(Variable&& sum, const Variable& x) {
  return train_by(x, [&] { return batch_norm_onto(std::move(sum), x, weight, bias, options_.eps, activation()); });
}

BatchNormResult BatchNorm2d::train_by(const Variable& x, FunctionRef<BatchNormResult()> run) {
  check_channels(x);
  const int64_t values = values_of(x);
  BatchNormResult result = run();
  const double m = static_cast<double>(values);
  const Tensor unbiased_var = (reciprocal(square(result.stats.inv_std)) - options_.eps) * (m / (m - 1));
  running_mean.mul_(1 - options_.momentum).add_(result.stats.mean, options_.momentum);
  running_var.mul_(1 - options_.momentum).add_(unbiased_var, options_.momentum);
  return result;
}

Variable LocalResponseNorm::forward(const Variable& x) { return local_response_norm(x, options_); }

}  // namespace kindling
