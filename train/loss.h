// What training minimises.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// A loss: the mean over a batch's samples of some function of (output, target). Any function of
/// that kind will do: `.loss = [](const Variable& output, const Tensor& target) { return
/// mse_loss(output, target); }`. It is called from several threads at once (each on a part of a
/// batch), so it must not change anything outside itself.
class Loss {
 public:
  using Mean = std::function<Variable(const Variable& output, const Tensor& target)>;
  using Weight = std::function<double(const Tensor& target)>;

  /// No loss at all.
  Loss() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Loss> &&
           std::is_invocable_r_v<Variable, F, const Variable&, const Tensor&>) Loss(F mean)
      : mean_(std::move(mean)) {}  // NOLINT: implicit, so that options take a lambda
  /// For a mean that is weighted: `weight(target)` is the sum of the samples' weights, by which
  /// `mean` divides. It tells what share a part of a batch has in the whole; without it each sample
  /// counts 1.
  Loss(Mean mean, Weight weight) : mean_(std::move(mean)), weight_(std::move(weight)) {}

  /// One number: the loss of these samples.
  Variable operator()(const Variable& output, const Tensor& target) const { return mean_(output, target); }
  double weight(const Tensor& target) const { return weight_ ? weight_(target) : static_cast<double>(target.size(0)); }

 private:
  Mean mean_;
  Weight weight_;
};

struct ClassificationOptions {
  double label_smoothing = 0;              ///< share of the target spread evenly over all classes, in [0, 1)
  std::vector<double> class_weights = {};  ///< of each class, above 0; empty: all 1
};

/// Cross-entropy of logits [N, classes] with class numbers [N]: sum_i w(y_i) l_i / sum_i w(y_i).
/// Throws ShapeError if an option is out of range or, when called, if there is not one weight per
/// class.
Loss classification(const ClassificationOptions& options = {});

}  // namespace kindling
