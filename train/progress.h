// What the trainer tells while it works. Unless asked to (terminal_progress.h), the library prints nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <kindling/train/metrics.h>

namespace kindling {

/// After every update.
struct StepReport {
  int64_t epoch = 0, epochs = 0;          ///< 1-based; of so many
  int64_t step = 0, steps = 0;            ///< updates made since the training began; of so many
  int64_t batch = 0, batches = 0;         ///< of this epoch
  double lr = 0;                          ///< with which this update was made
  double loss = 0;                        ///< of this update's samples
  double gradient_norm = 0;               ///< before clipping
  double epoch_loss = 0;                  ///< mean of the epoch so far
  std::optional<double> epoch_top1 = {};  ///< per cent, of the epoch so far
  double images_per_second = 0;           ///< of the epoch so far
  double wait_share = 0;                  ///< of the epoch's time spent waiting for data, in [0, 1]
  double seconds_left = 0;                ///< until the last epoch's end, validation included
};

/// After every epoch and its validation.
struct EpochReport {
  int64_t epoch = 0, epochs = 0;
  int64_t step = 0;
  double lr = 0;  ///< of the epoch's last update
  double train_loss = 0;
  std::optional<double> train_top1 = {};
  std::optional<Evaluation> validation = {};  ///< empty without validation data
  bool best = false;                          ///< better than every epoch before
  double images_per_second = 0;               ///< training alone
  double wait_share = 0;
  double seconds = 0;  ///< training and validation
};

/// Derive from it and override what you need. Calls come from the thread that called fit().
class TrainListener {
 public:
  virtual ~TrainListener() = default;
  /// `epoch` and `step` are where the run starts: 0, or where a resumed run continues.
  virtual void on_start(int64_t /*epoch*/, int64_t /*epochs*/, int64_t /*step*/, int64_t /*steps*/) {}
  virtual void on_step(const StepReport& /*report*/) {}
  virtual void on_validation(int64_t /*done*/, int64_t /*total*/) {}
  virtual void on_epoch(const EpochReport& /*report*/) {}
  /// Something that the user should know: skipped samples, curves that could not be drawn, another
  /// machine.
  virtual void on_note(const std::string& /*note*/) {}
};

}  // namespace kindling
