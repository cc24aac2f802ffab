// Pictures of the autograd graph.
#pragma once

#include <string>
#include <unordered_map>

#include <kindling/autograd/variable.h>

namespace kindling {

/// The graph behind `output` in the DOT language of Graphviz, in the order of recording. Operations
/// are boxes with name, layer path and shape; leaves are ellipses. There is one arrow for each
/// input, in the direction of the data. Constants are left out. `names` gives names to leaves, or
/// any Variable, by node().get(): for example those of parameters.
std::string to_dot(const Variable& output, const std::unordered_map<const Node*, std::string>& names = {});

}  // namespace kindling
