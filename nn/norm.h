// Normalisation layers.
#pragma once

#include <kindling/autograd/ops/norm.h>
#include <kindling/nn/module.h>
#include <kindling/tensor/function_ref.h>
#include <kindling/tensor/norm.h>

namespace kindling {

struct BatchNormOptions {
  double momentum = 0.1;  ///< share of the newest batch in the running statistics
  double eps = 1e-5;      ///< added to the variance
  bool relu = false;      ///< the layer's output is the ReLU of the normalised values
};

/// Batch normalisation per channel (Ioffe and Szegedy, arXiv:1502.03167), over x [..., C]:
///   y = weight (x - mean) / sqrt(var + eps) + bias.
/// In training, mean and variance (divisor M = numel / C) are the batch's, and
///   running = (1 - momentum) running + momentum batch,
/// with the unbiased variance (divisor M - 1), as in PyTorch. In evaluation they are the running
/// ones, and the layer is the affine map x scale + shift. Training it from several threads at once
/// is a data race on the running statistics. Throws ShapeError in training if a channel has fewer
/// than two values.
class BatchNorm2d final : public Module {
 public:
  explicit BatchNorm2d(int64_t channels, const BatchNormOptions& options = {});

  Variable weight, bias;             ///< [C]: gamma (ones at the start) and beta (zeros)
  Tensor running_mean, running_var;  ///< [C]: zeros and ones at the start

  const BatchNormOptions& options() const { return options_; }
  Activation activation() const { return options_.relu ? Activation::relu : Activation::none; }

  /// In training, the max pooling of what the layer gives for x [N,H,W,C], in one pass, and the
  /// batch's statistics. For Chain.
  BatchNormResult train_pooled(const Variable& x, const Pool2dOptions& pool);
  /// In training, sum + what the layer gives for x, in the memory of `sum` where that can be, and
  /// the batch's statistics. For Chain.
  BatchNormResult train_onto(Variable&& sum, const Variable& x);

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "BatchNorm2d"; }
  std::optional<Shape> output_shape(const Shape& input) const override { return input; }

 protected:
  Variable forward(const Variable& x) override { return forward_to(x, {}); }
  Variable forward_to(const Variable& x, const Out& out) override;

 private:
  void check_channels(const Variable& x) const;
  /// The number of values that a channel of x has. Throws ShapeError if it is one: too few.
  int64_t values_of(const Variable& x) const;
  /// run(), an operation that takes the statistics of x, and counts them into the running ones.
  BatchNormResult train_by(const Variable& x, FunctionRef<BatchNormResult()> run);

  BatchNormOptions options_;
};

/// Normalises each activation by its neighbours in the channel
/// axis (see local_response_norm in tensor/norm.h): AlexNet's.
class LocalResponseNorm : public Module {
 public:
  explicit LocalResponseNorm(const LocalResponseNormOptions& options = {}) : options_(options) {}
  std::string kind() const override { return "LocalResponseNorm"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  LocalResponseNormOptions options_;
};

}  // namespace kindling
