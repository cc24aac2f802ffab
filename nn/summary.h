// What a model consists of: layers, shapes, parameters, multiply-accumulates.
#pragma once

#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

struct LayerSummary {
  std::string name;    ///< path: "fire2/squeeze"
  std::string kind;    ///< "Conv2d"
  Shape output_shape;  ///< with the batch axis: [1,55,55,16]
  int64_t parameters;  ///< numbers, not bytes
  int64_t macs;        ///< multiply-accumulates; biases, pools and activations count none
};

struct Summary {
  std::vector<LayerSummary> layers;  ///< in the order of the calls
  int64_t parameters;
  int64_t macs;
};

/// One row for each layer, from one call of the model on an all-zero input [1, ...], in evaluation
/// mode and unrecorded; modes are restored. A layer is a module without parts, or with parameters
/// of its own. With `depth` above 0, paths end after that many names, and a row stands for
/// everything below: at depth 1, SqueezeNet gives the rows of the paper's Table 1. A layer that is
/// called twice has two rows, the second without parameters. Throws what the model throws.
Summary summarize(Module& model, const Shape& input, int64_t depth = 0);

}  // namespace kindling
