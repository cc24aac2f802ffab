// Losses. The mean cross-entropy of class labels, the fused one, is with the operations: autograd/ops/softmax.h.
#pragma once

#include <kindling/autograd/ops/softmax.h>

namespace kindling {

/// How the losses of single elements are combined.
enum class Reduction { none, mean, sum };

/// cross_entropy of autograd/ops/softmax.h with a choice of reduction:
///   l_n = sum_k w_k t_nk (-log_softmax(logits)_nk);  mean: sum l_n / sum w[labels_n]
Variable cross_entropy(const Variable& logits, const Variable& labels, Reduction reduction,
                       const CrossEntropyOptions& options = {});
/// Negative log-likelihood: l_n = -w[t_n] x[n, t_n]. x [N, classes] are log-probabilities, t [N]
/// i64, w [classes] (all 1 if undefined); the mean is weighted: sum l_n / sum w[t_n]. In nats.
/// Throws ShapeError if shapes do not fit, a label is outside [0, classes), or the mean's weights
/// are all 0.
Variable nll_loss(const Variable& log_probabilities, const Variable& labels, Reduction reduction = Reduction::mean,
                  const Tensor& class_weights = {});
/// (x - t)^2; x and t of one shape, else ShapeError (no broadcasting: it would hide mistakes).
Variable mse_loss(const Variable& x, const Variable& target, Reduction reduction = Reduction::mean);
/// |x - t|, gradient 0 where x = t.
Variable l1_loss(const Variable& x, const Variable& target, Reduction reduction = Reduction::mean);
/// -t log p - (1 - t) log(1 - p) with p = sigmoid(x), as
/// softplus(x) - t x: no overflow for any x. t in [0, 1]. In nats.
Variable bce_with_logits(const Variable& x, const Variable& target, Reduction reduction = Reduction::mean);

}  // namespace kindling
