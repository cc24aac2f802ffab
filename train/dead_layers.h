// Notices a network that has stopped learning for good.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Watches the updates of a training. If a layer's ReLU is 0 for every sample, its gradient is
/// exactly 0. The layer then never moves again, and neither do layers that reach the loss only
/// through it. A layer of fewer than kFewOutputs outputs may die while the first layer still
/// learns, past it: filters die one by one in healthy networks too. Watching costs next to nothing,
/// because a living layer already shows a gradient other than 0 in its first numbers.
class DeadLayers {
 public:
  /// A layer is dead after so many updates in a row with a gradient of 0.
  static constexpr int64_t kUpdates = 200;
  /// The narrowest layers of SqueezeNet's experiments have one to five filters.
  static constexpr int64_t kFewOutputs = 8;

  explicit DeadLayers(Module& model);

  /// Call it after every backward pass, before the optimiser moves anything. `loss` is that of the
  /// update's samples; below 1e-6 nothing is left to learn, and zeros mean nothing. `same_output`
  /// says that the network gave every sample the same output, though the samples differ. Returns
  /// whether a layer has been dead, or the outputs the same, for kUpdates updates. Frozen layers,
  /// and layers that the loss does not depend on, are ignored.
  bool look(double loss, bool same_output);
  /// Says what has died, from the layers' outputs for `input` [N, ...]: the first layer whose ReLU
  /// is 0 everywhere and behind which nothing depends on the input, as it is the reason for the
  /// others. If the signal passes all of them, the first with kFewOutputs outputs or more; if there
  /// is none, the dead layer nearest to the output, by gradients alone.
  std::string describe(Module& model, const Tensor& input) const;

 private:
  struct Layer {
    std::string path;
    Variables parameters;
    int64_t silent = 0;  ///< updates in a row in which all its gradients were 0

    int64_t outputs() const {
      const Shape& shape = parameters.front().shape();
      return shape.rank() == 0 ? 1 : shape[0];
    }
  };
  static bool learns(const Layer& layer);
  static bool is_silent(const Layer& layer);
  static bool is_dead(const Layer& layer) { return layer.silent >= kUpdates; }
  bool first_learns() const;
  /// Whether it is dead and no small branch.
  bool ends_training(const Layer& layer) const;

  std::vector<Layer> layers_;  ///< that have parameters, in the order of the forward pass
  int64_t same_output_ = 0;    ///< updates in a row in which every sample had the same output
};

}  // namespace kindling
