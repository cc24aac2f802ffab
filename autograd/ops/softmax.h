// Differentiable softmax family, over the last axis, and the cross-entropy of class labels.
#pragma once

#include <kindling/autograd/variable.h>
#include <kindling/tensor/softmax.h>

namespace kindling {

Variable softmax(const Variable& x);
Variable log_softmax(const Variable& x);
/// log sum_k exp(x_k) over the last axis, which goes away.
/// Shifted by the largest element, so no finite input overflows.
Variable logsumexp(const Variable& x);

struct CrossEntropyOptions {
  double label_smoothing = 0.0;  ///< in [0, 1]: share of each target, spread over all classes
  Tensor class_weights = {};     ///< [K], dtype of the logits; undefined: all 1
};

/// The mean cross-entropy, in nats, of softmax(logits) against class labels: a scalar. For logits
/// [N,K], labels [N] (i64, a constant), smoothing s and class weights w it is
///   sum_n sum_k w_k t_nk (-log_softmax(logits)_nk) / sum_n w_{labels_n}
///   t_nk = (1 - s) [k = labels_n] + s / K
/// A class without a share counts 0, even if its logit is -inf. Throws ShapeError if a label is
/// outside [0, K), if N = 0, if shapes or dtypes do not fit, if the smoothing is outside [0, 1], or
/// if all labels' class weights are 0.
Variable cross_entropy(const Variable& logits, const Variable& labels, const CrossEntropyOptions& options = {});

namespace detail {
/// w_k t_nk, [N,K]. Throws as cross_entropy.
Tensor cross_entropy_targets(const Variable& logits, const Variable& labels, const CrossEntropyOptions& options);
/// sum_n w_{labels_n}, by which a mean divides. Throws ShapeError, naming `loss`, if it is 0.
double total_weight(const char* loss, const Tensor& labels, const Tensor& class_weights);
}  // namespace detail

}  // namespace kindling
