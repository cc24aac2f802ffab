// What the frozen layers of a model make of the data, computed once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <kindling/data/loader.h>
#include <kindling/nn/layer_range.h>

namespace kindling {

/// The last layers of a model whose first ones are frozen, and the data as these see them.
struct Features {
  std::unique_ptr<LayerRange> layers;  ///< the first that is trained or random, and all behind it
  data::DatasetPtr train, val;         ///< inputs of `layers`; sample i is sample i of the data; `val` may be null
  int64_t bytes = 0;                   ///< of these inputs
  double seconds = 0;                  ///< that it took to compute them
};

struct FeatureOptions {
  int64_t batch_size = 32;
  data::Transform train_transform = {}, val_transform = {};  ///< nothing in them may be random
  data::ReadOptions reading = {};                            ///< its cache_bytes bound Features::bytes
  const std::atomic<bool>* stop = nullptr;                   ///< becomes true: Stopped is thrown
};

/// Cuts `model` before the first layer that has a parameter to train or is a Dropout, and runs the
/// layers in front of it, in evaluation mode, on each sample of `train` and of `val`, which may be
/// null. A sample that cannot be read is one that cannot be read of the result either. Returns
/// nothing if `model` is no Sequential, if nothing in front of the cut is frozen, or if the result
/// would have more than `reading.cache_bytes`. Throws as a Loader does.
std::unique_ptr<Features> compute_features(Module& model, const data::DatasetPtr& train, const data::DatasetPtr& val,
                                           const FeatureOptions& options);

}  // namespace kindling
