// Pruning of whole filters (Li et al., arXiv:1608.08710): the model becomes narrower and stays dense.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/compress/prune.h>

namespace kindling {

struct FilterOptions {
  double density = 1;                     ///< share of the filters that is kept, of layers not in `layers`
  std::vector<LayerDensity> layers = {};  ///< those that have one of their own; the first entry that fits counts
};

/// What is left of a layer.
struct FilteredLayer {
  std::string path = {};
  int64_t filters_before = 0;
  int64_t filters = 0;
  bool removable = true;  ///< see FilterLayer in models/filters.h
};

/// Keeps of each layer the ceil(density x filters) filters whose weights have the largest sum of
/// magnitudes, at least one, and takes the others out (keep_filters() in models/filters.h): from
/// Fire modules and all that is behind them, through the concatenation. All outputs are kept of the
/// last layer and of those that a bypass adds to others. Retrain then, with a new optimiser. Files
/// of the model say how many filters it has, and load_model() makes it so.
///
/// Throws ShapeError if a density is not in [0, 1]; Error as keep_filters() does, and if a pattern
/// fits no layer, or none but those whose outputs are all needed. The model is unchanged then.
std::vector<FilteredLayer> prune_filters(Module& model, const FilterOptions& options);

}  // namespace kindling
