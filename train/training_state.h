// What changes while a model is trained, and what a checkpoint holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <kindling/io/safetensors.h>
#include <kindling/nn/module.h>
#include <kindling/optim/optimizer.h>
#include <kindling/optim/schedule.h>
#include <kindling/train/metrics.h>

namespace kindling {

/// The options that a position in the data depends on. A run cannot continue with other values.
struct RunIdentity {
  int64_t batch_size = 0;
  int64_t accumulate = 0;
  bool drop_last = false;
  int64_t samples = 0;  ///< of the training set
  uint64_t seed = 0;

  int64_t batches_per_epoch() const;
  /// Of `accumulate` batches each; an epoch's last may have fewer.
  int64_t updates_per_epoch() const;
};

/// The best validation so far.
struct BestEpoch {
  std::optional<double> value = {};  ///< the largest top-1, or the smallest loss of models that are no classifiers
  int64_t epoch = 0;                 ///< from 1; 0: none yet
};

/// How far a run has come.
struct RunState {
  int64_t epoch = 0;      ///< the one in progress, from 0
  int64_t batch = 0;      ///< batches of it that have been used
  int64_t step = 0;       ///< updates in all
  Totals epoch_totals;    ///< of this epoch so far
  Totals logged_totals;   ///< since the last line of metrics.jsonl
  double train_loss = 0;  ///< of the last complete epoch
  BestEpoch best;
  int64_t metrics_lines = 0;

  /// To be called after an update, with the totals of its samples.
  void count_update(const Totals& totals);
  /// Takes the validation of this epoch for the best if it is better than all before. Returns
  /// whether it is. A value that is not finite never is.
  bool take_if_best(const Evaluation& validation);
  void begin_next_epoch();
};

State to_state(const RunState& run, const RunIdentity& identity);

/// Throws Error with the entry's name if an entry is missing or out of range ("epoch is -1, it must
/// be from 0 to ..."), or if the identity differs: "batch_size is 64, the run began with 32".
RunState from_state(const State& state, const RunIdentity& identity);

/// All that a checkpoint holds. Training goes on from there, bit for bit.
struct TrainingState {
  Module& model;
  Optimizer& optimizer;
  RunIdentity identity;
  Scheduler scheduler;
  RunState run = {};

  /// Throws FileError. `about` is the file's metadata.
  void save(const std::string& path, const Metadata& about) const;
  /// Throws FileError if the file cannot be read, or is of a run with another identity. The
  /// schedule keeps its own length: more epochs than the run began with may be wanted.
  void load(const std::string& path);
};

}  // namespace kindling
