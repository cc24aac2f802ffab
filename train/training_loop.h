// One call of Trainer::fit.
#pragma once

#include <optional>
#include <string>

#include <kindling/train/dead_layers.h>
#include <kindling/train/features.h>
#include <kindling/train/reporter.h>
#include <kindling/train/step.h>
#include <kindling/train/trainer.h>
#include <kindling/train/training_state.h>

namespace kindling {

/// Trains epoch by epoch, each of them update by update. What changes meanwhile is the state; what
/// is written and told is the reporter's.
class TrainingLoop {
 public:
  /// `features`, which may be null, are what is trained in place of the whole model, which is saved
  /// and tested all the same. `train` and `val` are then the data that they were computed from.
  TrainingLoop(Module& model, Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options,
               const data::DatasetPtr& train, const data::DatasetPtr& val, const Features* features = nullptr);
  /// From the beginning, or from where the run's last checkpoint was written.
  TrainResult run();

 private:
  // The first three throw Stopped when asked to stop.
  void train_epoch();
  void finish_epoch();
  void validate();
  void stop_if_asked() const;

  void check_alive(GradientStep& gradient, const Totals& totals, double gradient_norm, int64_t first_batch);
  [[noreturn]] void diverged(GradientStep& gradient, int64_t first_batch, const std::string& what);
  std::string next_update() const;
  uint64_t number_in_run(const data::Batch& batch) const;
  bool out_of_patience() const;
  data::Transform or_default(const data::Transform& transform) const;
  data::Transform train_transform() const;
  EvaluateOptions evaluate_options(const data::Transform& transform);
  /// What is trained: the model, or its last layers.
  Module& trained() { return features_ != nullptr ? static_cast<Module&>(*features_->layers) : state_.model; }

  const TrainerOptions& how_;
  const FitOptions& options_;
  const Features* features_;
  data::Loader loader_;
  TrainingState state_;
  Reporter reporter_;
  std::optional<Evaluator> validator_;
  DeadLayers dead_layers_;
  std::optional<Evaluation> validation_;  ///< the last one
};

}  // namespace kindling
