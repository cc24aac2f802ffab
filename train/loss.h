// What training minimises.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// A loss: the mean of some function of (output, target) over the samples of a batch. Any such
/// function can be used:
///   .loss = [](const Variable& output, const Tensor& target) { return mse_loss(output, target); }
/// It is called from several threads at once, each with a part of a batch. So it must not change
/// anything outside itself.
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
  /// For a weighted mean. `weight(target)` is the sum of the samples' weights, by which `mean`
  /// divides. It tells how much a part of a batch counts in the whole. Without it each sample
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
/// Throws ShapeError if an option is out of range. The loss throws it if the number of weights is
/// not that of the classes.
Loss classification(const ClassificationOptions& options = {});

}  // namespace kindling
