#include <kindling/compress/layer_values.h>

#include <kindling/nn/name_pattern.h>

namespace kindling {

std::vector<WeightLayer> checked_weight_layers(Module& model, const std::string& user) {
  std::vector<WeightLayer> layers = weight_layers(model);
  for (const WeightLayer& layer : layers)
    if (!all_finite(layer.weight->value())) throw Error(user + ": the weight of " + layer.path + " holds a NaN or Inf");
  if (layers.empty()) throw Error(user + ": the model has no convolution and no fully connected layer");
  return layers;
}

std::vector<int64_t> first_matches(const std::vector<WeightLayer>& layers, const std::vector<std::string>& patterns,
                                   const std::string& user) {
  std::vector<int64_t> matches(layers.size(), -1);
  for (size_t p = 0; p < patterns.size(); ++p) {
    const NamePattern pattern(user, patterns[p]);
    bool fits = false;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (!pattern.matches(layers[i].path)) continue;
      fits = true;
      if (matches[i] < 0) matches[i] = static_cast<int64_t>(p);
    }
    if (fits) continue;
    std::string names;
    for (const WeightLayer& layer : layers) names += (names.empty() ? "" : ", ") + layer.path;
    throw Error(user + ": \"" + patterns[p] + "\" matches no layer; there are " + names);
  }
  return matches;
}

}  // namespace kindling
