// Which parameters of a model learn: for fine-tuning.
#pragma once

#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Freezes the parameters whose names match `regex`: they no longer require a gradient. It is a
/// POSIX extended regular expression, as of grep -E, which may match anywhere in a name:
/// "^(conv1|fire[2-5])/". Make the optimiser afterwards, of trainable(). Returns the names that
/// match. Throws Error if the expression is none, or if no name matches, with the layers there are.
std::vector<std::string> freeze(Module& model, const std::string& regex);

/// The parameters that require a gradient, in the order of Module::parameters().
std::vector<NamedParameter> trainable(Module& model);

/// The path of the layer that a parameter or buffer belongs to: "conv10" for "conv10/weight".
std::string layer_of(const std::string& name);
/// The path of the last layer that has parameters: "conv10". Throws Error if there is none.
std::string head_of(Module& model);

/// While it lives, layers whose parameters are all frozen are in evaluation mode: batch
/// normalisation neither uses the statistics of a batch nor changes its own. Then each goes back to
/// its mode.
class FrozenLayers {
 public:
  explicit FrozenLayers(Module& model);
  ~FrozenLayers();
  FrozenLayers(const FrozenLayers&) = delete;
  FrozenLayers& operator=(const FrozenLayers&) = delete;

 private:
  void hold(Module& module);

  std::vector<Module*> held_;
};

}  // namespace kindling
