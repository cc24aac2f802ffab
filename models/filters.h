// Taking whole filters out of a model, which leaves a smaller dense one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// The option of a Definition that says how many filters are left: "conv1:48 fire2/squeeze:12".
inline constexpr char kFiltersOption[] = "filters";

/// A convolution or fully connected layer, by its outputs.
struct FilterLayer {
  std::string path;
  int64_t filters = 0;
  /// False if all its outputs are needed: those of the model, and those that a bypass adds to
  /// outputs of other layers.
  bool removable = true;
};

/// In the order of the forward pass. The model is a Sequential of Conv2d, Linear, BatchNorm2d,
/// Fire, such Sequentials, and layers without parameters that keep channels apart. Throws Error,
/// naming the layer, for others and for convolutions in groups.
std::vector<FilterLayer> filter_layers(Module& model);

/// Of each layer that is named, keeps these filters (ascending) and their biases and normalisation;
/// of the layers behind it, the weights of the channels that are left. Constraints are cut alike.
/// Make optimisers after it. The definition gains the option "filters", by which make_model() makes
/// such a model again. Throws as filter_layers(); Error for a layer that is not there, is not
/// removable or has no such filters. The model is unchanged then.
void keep_filters(Module& model, const std::map<std::string, std::vector<int64_t>>& kept);

/// "conv1:48 fire2/squeeze:12" as numbers of filters. Throws Error if it is not such.
std::map<std::string, int64_t> parse_filters(const std::string& text);
/// Keeps the first so many filters of each layer, for weights that are loaded then.
void keep_first_filters(Module& model, const std::map<std::string, int64_t>& counts);

}  // namespace kindling
