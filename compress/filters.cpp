#include <kindling/compress/filters.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <kindling/models/filters.h>

namespace kindling {
namespace {

/// The `kept` filters of largest L1 norm, of equal ones the first, ascending.
std::vector<int64_t> largest_filters(const Tensor& weight, int64_t kept) {
  const std::vector<double> values = weight.to_vector<double>();
  const int64_t filters = weight.size(0), size = weight.numel() / filters;
  std::vector<double> norms;
  for (int64_t f = 0; f < filters; ++f) {
    double norm = 0;
    for (int64_t i = f * size; i < (f + 1) * size; ++i) norm += std::fabs(values[static_cast<size_t>(i)]);
    norms.push_back(norm);
  }
  std::vector<int64_t> order(static_cast<size_t>(filters));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return norms[static_cast<size_t>(a)] > norms[static_cast<size_t>(b)]; });
  order.resize(static_cast<size_t>(kept));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

std::vector<FilteredLayer> prune_filters(Module& model, const FilterOptions& options) {
  const std::vector<WeightLayer> weights = checked_weight_layers(model, "prune_filters");
  const std::vector<FilterLayer> layers = filter_layers(model);
  std::vector<std::string> patterns;
  for (const LayerDensity& entry : options.layers) patterns.push_back(entry.pattern);
  const std::vector<int64_t> matches = first_matches(weights, patterns, "prune_filters");

  std::map<std::string, std::vector<int64_t>> kept;
  std::vector<FilteredLayer> result;
  std::vector<bool> useful(patterns.size(), false);
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& [path, filters, removable] = layers[i];
    check(weights[i].path == path, "prune_filters", "layers come in two orders: ", path, " and ", weights[i].path);
    const auto match = static_cast<size_t>(std::max<int64_t>(matches[i], 0));
    const double density = matches[i] < 0 ? options.density : options.layers[match].value;
    check(density >= 0 && density <= 1, "prune_filters", "density ", density, " of ", path, " is not in [0, 1]");
    if (matches[i] >= 0 && (removable || density == 1)) useful[match] = true;
    const int64_t left = removable ? std::max<int64_t>(kept_of(density, filters), 1) : filters;
    kept[path] = largest_filters(weights[i].weight->value(), left);
    result.push_back({path, filters, left, removable});
  }
  for (size_t p = 0; p < patterns.size(); ++p)
    if (!useful[p] && std::find(matches.begin(), matches.end(), static_cast<int64_t>(p)) != matches.end())
      throw Error("prune_filters: \"" + patterns[p] +
                  "\" fits only layers whose outputs are all needed, by a bypass or as those of the model");
  keep_filters(model, kept);
  return result;
}

}  // namespace kindling
