// Notices a network that has stopped learning for good.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Watches the updates of a training. A layer whose ReLU is 0 for every sample gets a gradient of
/// exactly 0, so it never moves again, and neither does what only it connects to the loss. It costs
/// next to nothing: the gradient of
/// a living layer is not 0 from its first numbers on.
class DeadLayers {
 public:
  /// So many updates in a row without a sign of life are a death.
  static constexpr int64_t kUpdates = 200;

  explicit DeadLayers(Module& model);

  /// To be called after every backward pass, before the optimiser moves anything. `loss` is that of
  /// the update's samples; where it is below 1e-6 there is nothing left to learn, so zeros mean
  /// nothing. `same_output`: the
  /// network gave every sample the same output, though not all were the same. Returns whether a
  /// layer has been dead, or the outputs the same, for kUpdates updates. Frozen layers, and those
  /// that the loss does not depend on, are passed over.
  bool look(double loss, bool same_output);
  /// What has died, by the outputs of the layers for `input` [N, ...]: the first whose ReLU is 0
  /// everywhere, as those behind it may be dead for no other reason. Else, by gradients alone, the
  /// dead layer nearest to the output.
  std::string describe(Module& model, const Tensor& input) const;

 private:
  struct Layer {
    std::string path;
    Variables parameters;
    int64_t silent = 0;  ///< updates in a row in which all its gradients were 0
  };
  static bool is_silent(const Layer& layer);
  static bool is_dead(const Layer& layer) { return layer.silent >= kUpdates; }

  std::vector<Layer> layers_;  ///< that have parameters, in the order of the forward pass
  int64_t same_output_ = 0;    ///< updates in a row in which every sample had the same output
};

}  // namespace kindling
