// Pictures of the autograd graph.
#pragma once

#include <string>
#include <unordered_map>

#include <kindling/autograd/variable.h>

namespace kindling {

/// The graph behind `output` in Graphviz's DOT language, in the order of recording: operations as boxes with name,
/// layer path and shape, leaves as ellipses, one arrow per input in the direction of the data. Constants are left out.
/// `names` gives leaves (or any Variable) a name, by its node().get(): a module's parameters, say.
std::string to_dot(const Variable& output, const std::unordered_map<const Node*, std::string>& names = {});

}  // namespace kindling
