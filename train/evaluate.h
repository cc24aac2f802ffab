// Accuracy and loss of a model on a data set.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include <kindling/data/loader.h>
#include <kindling/nn/module.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>

namespace kindling {

struct EvaluateOptions {
  Loss loss = classification();
  std::vector<Metric> metrics;
  int64_t batch_size = 32;
  data::Transform transform;  ///< empty: u8 pixels are scaled to 0..1, other inputs taken as they are
  int workers = 1;            ///< background threads that read and decode
  bool strict = false;        ///< a damaged sample throws FileError instead of being skipped and named
  int64_t cache_bytes = 0;    ///< see data::LoaderOptions
  std::function<void(int64_t done, int64_t total)> progress;  ///< called after every batch, in samples
  const std::atomic<bool>* stop = nullptr;                    ///< becomes true: Stopped is thrown
};

/// Thrown when a stop was asked for in the middle of something that has no partial result.
struct Stopped : Error {
  Stopped() : Error("stopped") {}
};

/// Runs `model` in evaluation mode, without recording, over all of `dataset`; its mode is restored. The result does not
/// depend on the number of threads. Throws Error if the set is empty or none of its samples can be read.
Evaluation evaluate(Module& model, const data::DatasetPtr& dataset, const EvaluateOptions& options = {});

}  // namespace kindling
