// A model as a graph of its layers.
#pragma once

#include <string>

#include <kindling/nn/module.h>

namespace kindling::cli {

/// The model in the DOT language of Graphviz, from one call on `input` in evaluation mode. There is
/// one box for each module whose path has `depth` names, and for each operation between them (ReLU,
/// the sum of a bypass), with output shapes. Modules that are opened are framed.
std::string model_to_dot(Module& model, const Tensor& input, int64_t depth);

}  // namespace kindling::cli
