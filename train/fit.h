// One call of Trainer::fit.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <kindling/train/dead_layers.h>
#include <kindling/train/description.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/run_state.h>
#include <kindling/train/speed_meter.h>
#include <kindling/train/step.h>
#include <kindling/train/tensorboard.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>

namespace kindling {

/// Everything that lives as long as one training run. The position in it is all in `state_`, the
/// optimiser and the schedule: what a checkpoint holds.
class Fit {
 public:
  Fit(Module& model, Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options,
      const data::DatasetPtr& train, const data::DatasetPtr& val);
  TrainResult run();

 private:
  // The beginning: fit_resume.cpp.
  void open_run();
  void resume(nlohmann::json& machine);
  void begin_anew();
  void check_space() const;
  void open_events();
  void check_machine(nlohmann::json& machine);
  nlohmann::json config() const;

  // The loop. Both throw Stopped when asked to stop.
  void train_epoch();
  void finish_epoch();
  void validate();
  bool update();
  Totals add_batches(int64_t first_batch);
  [[noreturn]] void diverged(const std::string& what, int64_t first_batch);
  [[noreturn]] void died(int64_t first_batch);
  EvaluateOptions validation_options();
  bool out_of_patience() const;
  bool is_best(const Evaluation& validation);

  // What is written and told: fit_report.cpp. A file that cannot be written ends no run: that is told, and tried again
  // when it is next due. Only what is still missing at the end is an error.
  bool save_to(const std::string& path);
  void save_last();
  bool save_best();
  void write(const nlohmann::ordered_json& line);
  void write_events();
  void check_all_written();
  void report_step(const Totals& totals, double gradient_norm);
  void report_epoch(bool best);
  void log_step();
  void log_epoch();
  void write_histograms();
  void draw(bool now);
  void note(const std::string& text);
  void note_datasets();
  void note_skipped(const std::vector<std::string>& messages, size_t& known);
  /// Calls `report` with everyone who listens.
  template <class F>
  void tell(const F& report) {
    if (progress_) report(static_cast<TrainListener&>(*progress_));
    if (options_.listener != nullptr) report(*options_.listener);
  }
  bool is_told() const { return progress_ || options_.listener != nullptr; }
  TrainResult result(TrainEnd end) const;

  void stop_if_asked() const;
  int64_t updates_per_epoch() const;
  data::Transform or_default(const data::Transform& transform) const;

  Module& model_;
  Optimizer& optimizer_;
  const TrainerOptions& how_;
  const FitOptions& options_;
  std::optional<TerminalProgress> progress_;
  RunIdentity identity_;
  Metadata about_;  ///< what the checkpoints tell beside weights and state
  data::Loader loader_;
  std::optional<Evaluator> validator_;
  Scheduler scheduler_;
  RunState state_;
  std::optional<GradientStep> gradient_;  ///< made at an epoch's first batch, which tells the shape of the inputs
  DeadLayers dead_layers_;
  std::optional<Evaluation> validation_, test_;
  std::unique_ptr<RunFolder> folder_;    ///< null: nothing is written
  std::unique_ptr<EventWriter> events_;  ///< null: none are wanted
  SpeedMeter speed_;
  std::chrono::steady_clock::time_point drawn_ = std::chrono::steady_clock::now();
  size_t known_train_skips_ = 0, known_val_skips_ = 0;
  bool last_saved_ = true, best_saved_ = true;  ///< last.ckpt and best.ckpt are what they should be by now
  bool metrics_written_ = true, events_written_ = true;
  std::string save_error_;  ///< of the last checkpoint that could not be written
};

}  // namespace kindling
