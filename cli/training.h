// A training, made from its options.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <kindling/cli/train_options.h>
#include <kindling/data/open.h>
#include <kindling/train/trainer.h>

namespace kindling::cli {

/// Whether the run continues from a checkpoint. A run that died before its first checkpoint starts
/// like a new one.
bool has_checkpoint(const TrainCommand& options);

struct Training {
  std::unique_ptr<Module> model;
  std::unique_ptr<Trainer> trainer;  ///< of the model
};
/// The options are complete().
Training make_training(const TrainCommand& options, const data::Splits& data, const data::InputInfo& input);

/// A trainer of `model` by the recipe of the options, which are complete(). For `after_update` see
/// TrainerOptions.
std::unique_ptr<Trainer> make_trainer(const TrainCommand& options, Module& model, Schedule schedule,
                                      const data::InputInfo& input,
                                      std::function<void(int64_t updates)> after_update = {});

/// What training from scratch reaches.
struct Baseline {
  std::optional<double> top1 = {};  ///< per cent, on test/, or else on what is held out
  int64_t epochs = 0;
  double seconds = 0;
};
/// Trains the same model on the same images of the same size from random weights, by preset photos,
/// for about so many seconds: as many whole epochs as fit, at least one, so that the schedule comes
/// to its end. Nothing if it is stopped.
std::optional<Baseline> train_from_scratch(const TrainCommand& finetuning, const data::Splits& data,
                                           const data::InputInfo& input, double seconds, const std::atomic<bool>* stop);

}  // namespace kindling::cli
