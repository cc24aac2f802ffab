// Changing a layer of a model that is built already.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <kindling/nn/module.h>
#include <kindling/tensor/function_ref.h>

namespace kindling {

/// Puts `layer` in the place of the part at `path`, as in "fire2/expand3x3", and returns it. The
/// other parts stay as they are. `input` is the shape of what the model takes, [1,224,224,3]: the
/// model is run once on zeros, to see between which shapes the layer stands.
///
/// The new layer takes over the mode (training or evaluation) of the old one. The model's
/// definition holds no longer: files say nothing of the model, and are loaded into one that is
/// changed likewise.
///
/// Throws Error if there is no such part, naming those there are, if its owner holds it as a plain
/// member (Sequential and Fire do not), or if the model does not call it; ShapeError if the new
/// layer makes another shape of the old one's input.
Module& replace(Module& model, const std::string& path, std::unique_ptr<Module> layer, const Shape& input);

/// The same for a layer that is made from the old one and is known to make the same shapes of its
/// input: the model is not run.
Module& replace(Module& model, const std::string& path, FunctionRef<std::unique_ptr<Module>(Module& old_layer)> make);

template <class Layer>
requires std::is_base_of_v<Module, Layer> Layer& replace(Module& model, const std::string& path, Layer layer,
                                                         const Shape& input) {
  return static_cast<Layer&>(replace(model, path, std::make_unique<Layer>(std::move(layer)), input));
}

}  // namespace kindling
