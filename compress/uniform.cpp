#include <kindling/compress/uniform.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <kindling/compress/weight_layers.h>

namespace kindling {
namespace {

QuantisedLayer round_layer(const WeightLayer& layer, int64_t bits) {
  const auto weights = layer.weight->value().to_vector<float>();
  float largest = 0;
  for (const float weight : weights) {
    if (!std::isfinite(weight)) throw Error("round_uniformly: " + layer.path + " has a weight that is not finite");
    largest = std::max(largest, std::abs(weight));
  }
  const auto most = static_cast<float>((int64_t{1} << (bits - 1)) - 1);
  QuantisedLayer result{.path = layer.path, .shape = layer.weight->shape(), .step = largest > 0 ? largest / most : 1};
  result.codes.reserve(weights.size());
  for (const float weight : weights) result.codes.push_back(static_cast<int32_t>(std::lround(weight / result.step)));
  return result;
}

}  // namespace

QuantisedModel round_uniformly(Module& model, int64_t bits) {
  check(bits >= 2 && bits <= 16, "round_uniformly", "weights of ", bits, " bits: they must have 2 to 16");
  QuantisedModel result;
  for (const WeightLayer& layer : weight_layers(model)) result.layers.push_back(round_layer(layer, bits));
  set_weights(model, result);
  return result;
}

}  // namespace kindling
