// How far a run has come: what a checkpoint holds beside model, optimiser and schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <kindling/optim/optimizer.h>
#include <kindling/train/metrics.h>

namespace kindling {

/// The options that a position in the data depends on. A run cannot continue with other values.
struct RunIdentity {
  int64_t batch_size = 0;
  int64_t accumulate = 0;
  bool drop_last = false;
  int64_t samples = 0;  ///< of the training set
  uint64_t seed = 0;
};

struct RunState {
  int64_t epoch = 0;           ///< the one in progress, from 0
  int64_t batch = 0;           ///< batches of it that have been used
  int64_t step = 0;            ///< updates in all
  Totals epoch_totals;         ///< of this epoch so far
  Totals logged_totals;        ///< since the last line of metrics.jsonl
  double train_loss = 0;       ///< of the last complete epoch
  std::optional<double> best;  ///< validation's largest top-1, or smallest loss
  int64_t best_epoch = 0;      ///< from 1; 0: none yet
  int64_t metrics_lines = 0;
};

State to_state(const RunState& run, const RunIdentity& identity);

/// Throws Error with the entry's name if an entry is missing or out of range ("epoch is -1, it must
/// be from 0 to ..."), or if the identity differs: "batch_size is 64, the run began with 32".
RunState from_state(const State& state, const RunIdentity& identity);

}  // namespace kindling
