// The layers whose weights are worth compressing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// A model and all parts of it, with their paths, "" and "fire2/squeeze", in the order of
/// Module::visit: each before its own parts.
std::vector<std::pair<std::string, Module*>> parts_with_paths(Module& model);

/// A convolution or a fully connected layer. Seen as a matrix, its weight [O, ...] has O rows, one
/// for each output, and `columns()` columns, one for each input of an output.
struct WeightLayer {
  std::string path;    ///< "fire2/squeeze"
  Module* layer;       ///< a Conv2d or a Linear
  Variable* weight;    ///< its member
  Variable* bias;      ///< its member; undefined where it has none
  int64_t groups = 1;  ///< of a Conv2d: rows [g O / groups, (g + 1) O / groups) have inputs of their own

  int64_t rows() const { return weight->size(0); }
  int64_t columns() const { return weight->numel() / weight->size(0); }

  /// What the rows of group `group` are multiplied with when the layer is called with x: one row
  /// [K] for each pixel of the result, or each sample. Throws ShapeError as the layer does.
  Tensor inputs(const Tensor& x, int64_t group) const;
};

/// All of a model's, in the order of Module::visit. They point into the model.
std::vector<WeightLayer> weight_layers(Module& model);

}  // namespace kindling
