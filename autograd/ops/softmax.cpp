#include <kindling/autograd/ops/softmax.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/autograd/record.h>
#include <kindling/tensor/index.h>

namespace kindling {
namespace detail {

double total_weight(const char* loss, const Tensor& labels, const Tensor& class_weights) {
  if (!class_weights.defined()) return static_cast<double>(labels.numel());
  const double total = sum(gather(class_weights, 0, labels)).item();
  check(total > 0.0, loss, "the class weights of all ", labels.numel(), " labels are 0");
  return total;
}

Tensor cross_entropy_targets(const Variable& logits, const Variable& labels, const CrossEntropyOptions& options) {
  check(logits.rank() == 2 && labels.rank() == 1 && labels.size(0) == logits.size(0), "cross_entropy",
        "needs logits [N, K] and labels [N], got ", logits.shape(), " and ", labels.shape());
  check(labels.dtype() == DType::i64, "cross_entropy", "labels must be i64 class numbers, got ", labels.dtype());
  const double s = options.label_smoothing;
  check(0.0 <= s && s <= 1.0, "cross_entropy", "label_smoothing must be in [0, 1], got ", s);
  const Tensor& weights = options.class_weights;
  check(!weights.defined() || weights.shape() == Shape{logits.size(1)}, "cross_entropy", "class_weights ",
        weights.shape(), " for logits ", logits.shape());
  const Tensor hot = one_hot(labels.value(), logits.size(1), logits.dtype());
  const Tensor targets = s == 0.0 ? hot : hot * (1.0 - s) + s / static_cast<double>(logits.size(1));
  return weights.defined() ? targets * weights : targets;
}

}  // namespace detail

Variable softmax(const Variable& x) {  // y (grad - <grad, y>)
  return record("softmax", softmax(x.value()), {x}, Keep::output, [](const Step& s) {
    const Variable y = s.output();
    return mul(y, sub(s.grad, sum(mul(s.grad, y), {-1}, /*keepdim=*/true)));
  });
}

Variable log_softmax(const Variable& x) {  // grad - softmax(x) sum(grad)
  return record("log_softmax", log_softmax(x.value()), {x}, Keep::output,
                [](const Step& s) { return sub(s.grad, mul(exp(s.output()), sum(s.grad, {-1}, /*keepdim=*/true))); });
}

/// The shift is a constant: the derivative does not depend on it.
Variable logsumexp(const Variable& x) {
  const Tensor largest = max(x.value(), {-1}, /*keepdim=*/true);
  return log(sum(exp(sub(x, largest)), {-1})) + Variable(largest.squeeze(-1));
}

Variable cross_entropy(const Variable& logits, const Variable& labels, const CrossEntropyOptions& options) {
  const Tensor targets = detail::cross_entropy_targets(logits, labels, options);
  check(logits.numel() > 0, "cross_entropy", "needs at least one sample and one class, got logits ", logits.shape());
  const Tensor target = targets / detail::total_weight("cross_entropy", labels.value(), options.class_weights);
  // A class without a share may have the logarithm of 0.
  const Tensor logarithms = where(target, log_softmax(logits.value()), Tensor::scalar(0, logits.dtype()));
  const double loss = -dot(target, logarithms);
  return record(
      "cross_entropy", Tensor::scalar(loss, logits.dtype()), {logits, target}, Keep::inputs,
      [](const Step& s) {  // softmax(logits) sum(target) - target
        const Variable t = s.input(1);
        return mul(s.grad, sub(mul(softmax(s.input(0)), sum(t, {1}, /*keepdim=*/true)), t));
      },
      NoGradient());
}

}  // namespace kindling
