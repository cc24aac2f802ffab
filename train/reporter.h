// What a training writes and tells.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/data/loader.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/speed_meter.h>
#include <kindling/train/tensorboard.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>
#include <kindling/train/training_state.h>

namespace kindling {

/// Writes the folder of a run: checkpoints, metrics, events and curves. Tells the progress to the
/// terminal and to the caller's listener.
///
/// A file that cannot be written ends no run. That is told, and it is tried again when it is next
/// due. Only what is still missing at the end is an error.
class Reporter {
 public:
  /// `loader` reads the training data. `validates`: each epoch ends with a validation.
  Reporter(TrainingState& state, const data::Loader& loader, const TrainerOptions& how, const FitOptions& options,
           bool validates);

  /// Opens the folder and, to resume, takes its last checkpoint into the state. Throws FileError.
  void open();
  void start_epoch() { speed_.start_epoch(); }
  /// After every update. `gradient_norm` is that before clipping.
  void report_step(const Totals& totals, double gradient_norm);
  void report_validation(int64_t done, int64_t total);
  /// After an epoch's updates and its validation, if there is one.
  void report_epoch(const std::optional<Evaluation>& validation, bool best);
  void note(const std::string& text);
  /// Tells the notes of the data sets, null ones apart. Parts of one set have the same notes, which
  /// are told once.
  void note_datasets(const std::vector<const data::Dataset*>& sets);
  /// Tells which training samples have been skipped since the last call.
  void note_skipped();

  /// Writes last.ckpt if there is none yet.
  void save_first();
  void save_last();
  /// False, after a note, if it cannot be written.
  bool save_best();
  /// Draws the curves, but not so often that it costs anything.
  void draw();
  /// Draws the curves for the last time. Throws FileError if something has not been written
  /// although it was tried again and again.
  void finish();

  double images_per_second() const { return speed_.images_per_second(); }

 private:
  using Clock = std::chrono::steady_clock;

  bool save_to(const std::string& path);
  void write(const nlohmann::ordered_json& line);
  void write_events();
  void check_all_written();
  void log_step();
  void log_epoch(const std::optional<Evaluation>& validation);
  void write_histograms();
  void draw_curves_or_note(bool note_failure);
  void note_skipped(const std::vector<std::string>& messages, size_t& known);
  /// Calls `report` with everyone who listens.
  template <class F>
  void tell(const F& report) {
    if (progress_) report(static_cast<TrainListener&>(*progress_));
    if (options_.listener != nullptr) report(*options_.listener);
  }

  TrainingState& state_;
  RunState& run_;  ///< of the state
  const data::Loader& loader_;
  const TrainerOptions& how_;
  const FitOptions& options_;
  bool validates_;
  Metadata about_;  ///< what the checkpoints tell beside weights and state
  std::optional<TerminalProgress> progress_;
  std::unique_ptr<RunFolder> folder_;    ///< null: nothing is written
  std::unique_ptr<EventWriter> events_;  ///< null: none are wanted
  SpeedMeter speed_;
  Clock::time_point drawn_ = Clock::now();
  size_t known_train_skips_ = 0, known_val_skips_ = 0;
  bool last_saved_ = true, best_saved_ = true;  ///< last.ckpt and best.ckpt are what they should be by now
  bool metrics_written_ = true, events_written_ = true;
  std::string save_error_;  ///< of the last checkpoint that could not be written
};

}  // namespace kindling
