// Something that each layer has, said by patterns of their paths.
#pragma once

#include <string>
#include <vector>

#include <kindling/compress/weight_layers.h>

namespace kindling {

/// weight_layers(), of which there must be one at least, with finite weights: else Error, which
/// begins with `user` ("prune").
std::vector<WeightLayer> checked_weight_layers(Module& model, const std::string& user);

/// Something about the layers whose path has a pattern in it (nn/name_pattern.h): "expand3x3$".
template <class Value>
struct ForLayers {
  std::string pattern;
  Value value;
};

/// For each layer the value of the first entry whose pattern fits, or `otherwise`. Throws Error
/// that begins with `user` if a pattern fits no layer, naming the layers, or is no regular
/// expression.
template <class Value>
std::vector<Value> values_for(const std::vector<WeightLayer>& layers, const std::vector<ForLayers<Value>>& entries,
                              Value otherwise, const std::string& user);

/// For each layer the number of the first pattern that fits, or -1. Throws as values_for().
std::vector<int64_t> first_matches(const std::vector<WeightLayer>& layers, const std::vector<std::string>& patterns,
                                   const std::string& user);

template <class Value>
std::vector<Value> values_for(const std::vector<WeightLayer>& layers, const std::vector<ForLayers<Value>>& entries,
                              Value otherwise, const std::string& user) {
  std::vector<std::string> patterns;
  for (const auto& entry : entries) patterns.push_back(entry.pattern);
  std::vector<Value> values;
  for (const int64_t match : first_matches(layers, patterns, user))
    values.push_back(match < 0 ? otherwise : entries[static_cast<size_t>(match)].value);
  return values;
}

}  // namespace kindling
