#include <kindling/nn/loss.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/index.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/shape.h>

namespace kindling {
namespace {

Variable reduce(const Variable& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      break;
  }
  return sum(losses);
}

void check_same_shape(const char* loss, const Variable& x, const Variable& target) {
  check(x.shape() == target.shape(), loss, "input and target differ: input ", x.shape(), ", target ", target.shape());
}

}  // namespace

Variable cross_entropy(const Variable& logits, const Variable& labels, Reduction reduction,
                       const CrossEntropyOptions& options) {
  if (reduction == Reduction::mean) return cross_entropy(logits, labels, options);
  const Variable targets = detail::cross_entropy_targets(logits, labels, options);
  const Variable logarithms = where(targets, log_softmax(logits), Tensor::scalar(0, logits.dtype()));
  return reduce(neg(sum(logarithms * targets, {1})), reduction);
}

Variable nll_loss(const Variable& log_probabilities, const Variable& labels, Reduction reduction,
                  const Tensor& class_weights) {
  const Variable& x = log_probabilities;
  check(x.rank() == 2 && labels.rank() == 1 && labels.size(0) == x.size(0), "nll_loss",
        "needs input [N, classes] and labels [N]: input ", x.shape(), ", labels ", labels.shape());
  check(labels.dtype() == DType::i64, "nll_loss", "needs i64 labels, got ", labels.dtype());
  check(!class_weights.defined() || class_weights.shape() == Shape{x.size(1)}, "nll_loss",
        "needs one weight per class: input ", x.shape(), ", weights ",
        class_weights.defined() ? class_weights.shape() : Shape{});
  Variable losses = neg(squeeze(gather(x, 1, unsqueeze(labels, 1)), 1));
  if (!class_weights.defined()) return reduce(losses, reduction);
  losses = losses * Variable(gather(class_weights, 0, labels.value()));
  if (reduction != Reduction::mean) return reduce(losses, reduction);
  return sum(losses) / detail::total_weight("nll_loss", labels.value(), class_weights);
}

Variable mse_loss(const Variable& x, const Variable& target, Reduction reduction) {
  check_same_shape("mse_loss", x, target);
  return reduce(square(x - target), reduction);
}

Variable l1_loss(const Variable& x, const Variable& target, Reduction reduction) {
  check_same_shape("l1_loss", x, target);
  return reduce(abs(x - target), reduction);
}

Variable bce_with_logits(const Variable& x, const Variable& target, Reduction reduction) {
  check_same_shape("bce_with_logits", x, target);
  return reduce(softplus(x) - target * x, reduction);
}

}  // namespace kindling
