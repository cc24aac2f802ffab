// Accuracy and loss of a model on a data set.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include <kindling/data/loader.h>
#include <kindling/data/preprocessing.h>
#include <kindling/nn/module.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>

namespace kindling {

struct EvaluateOptions {
  Loss loss = classification();
  std::vector<Metric> metrics = {};
  int64_t batch_size = 32;
  data::Transform transform = {};  ///< empty: standardize_pixels
  data::ReadOptions reading = {};
  int64_t mistakes = 0;  ///< how many of a classifier's worst mistakes are kept: the most certain wrong answers
  std::function<void(int64_t done, int64_t total)> progress = {};  ///< called after every batch, in samples
  const std::atomic<bool>* stop = nullptr;                         ///< becomes true: Stopped is thrown
};

/// The transform that an empty one stands for: data::preprocess with its defaults. It maps u8
/// pixels x to f32 (x - 127.5) / 63.75, from -2 to 2. Other inputs stay as they are.
Tensor standardize_pixels(const Tensor& input, Rng& rng);

/// Thrown when a stop was asked for during something that has no partial result.
struct Stopped : Error {
  Stopped() : Error("stopped") {}
};

/// Evaluates one data set many times. It is read and decoded once if it fits into
/// `reading.cache_bytes`.
class Evaluator {
 public:
  /// Throws ShapeError for an empty set or options out of range.
  Evaluator(data::DatasetPtr dataset, EvaluateOptions options);
  /// See evaluate().
  Evaluation run(Module& model);
  const data::Dataset& dataset() const { return loader_.dataset(); }

 private:
  EvaluateOptions options_;
  data::Loader loader_;
};

/// Runs `model` over all of `dataset`, in evaluation mode and without recording, and restores its
/// mode. The result does not depend on the number of threads. Nothing is cached, as each sample is
/// read once. Throws ShapeError if the set is empty, FileError if no sample can be read, Stopped if
/// asked to stop.
Evaluation evaluate(Module& model, const data::DatasetPtr& dataset, const EvaluateOptions& options = {});

}  // namespace kindling
