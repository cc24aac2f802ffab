#include <kindling/compress/uniform.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <kindling/compress/weight_layers.h>

namespace kindling {
namespace {

struct Rounded {
  float step = 1;
  std::vector<int32_t> codes = {};
};

Rounded round_values(const Tensor& values, int64_t bits, const std::string& name) {
  const auto numbers = values.to_vector<float>();
  float largest = 0;
  for (const float number : numbers) {
    if (!std::isfinite(number)) throw Error("round_uniformly: " + name + " has a number that is not finite");
    largest = std::max(largest, std::abs(number));
  }
  Rounded result;
  if (largest > 0) result.step = largest / static_cast<float>((int64_t{1} << (bits - 1)) - 1);
  result.codes.reserve(numbers.size());
  for (const float number : numbers) result.codes.push_back(static_cast<int32_t>(std::lround(number / result.step)));
  return result;
}

QuantisedLayer round_layer(const WeightLayer& layer, int64_t bits) {
  constexpr int64_t kBiasBits = 16;
  const Rounded weight = round_values(layer.weight->value(), bits, layer.path);
  Rounded bias{.step = 0};
  if (layer.bias->defined()) bias = round_values(layer.bias->value(), kBiasBits, layer.path);
  return {.path = layer.path,
          .shape = layer.weight->shape(),
          .step = weight.step,
          .codes = weight.codes,
          .bias_step = bias.step,
          .bias_codes = bias.codes};
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
