// Training a model on after something has been done to it, and measuring it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <kindling/cli/train_options.h>
#include <kindling/compress/sensitivity.h>
#include <kindling/data/open.h>
#include <kindling/nn/module.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/terminal_progress.h>

namespace kindling::cli {

/// What to train on, and how. It is the recipe of the run that the weights come from: its last
/// epochs, with the learning rates that they had (Renda et al., arXiv:2003.02389). Weights of no
/// run are trained by preset finetune.
class Retraining {
 public:
  struct Choice {
    Everywhere everywhere;
    ModelChoice model;
    DataChoice data;
    Images images;
    RunFacts facts = {};  ///< of the weights
    int64_t epochs = 0;   ///< 0: it is only measured
    std::optional<double> lr = {};
  };
  /// Opens the data. Throws as complete() and DataChoice::open() do.
  explicit Retraining(const Choice& choice);

  /// What is done otherwise than the recipe says.
  struct Change {
    double lr_factor = 1;
    bool shares_weights = false;                             ///< their gradients are summed (compress/share.h)
    std::function<void(int64_t updates)> after_update = {};  ///< see TrainerOptions
  };
  /// `epochs` of training. False if it was stopped.
  bool train(Module& model, TerminalProgress& progress, const std::atomic<bool>* stop, const Change& change) const;
  /// How many updates train() makes.
  int64_t updates() const;
  /// On test/ or else on what is held out; without training, on all of a flat folder as well.
  Evaluation measure(Module& model, const std::atomic<bool>* stop) const;

  /// The top-1 for a choice between many models: on what training held out, if there is retraining
  /// and anything was held out; else as measure().
  Score score(const std::atomic<bool>* stop) const;

 private:
  void open_data();
  Schedule schedule() const;
  EvaluateOptions how(const std::atomic<bool>* stop) const;

  TrainCommand options_;
  int64_t epochs_;
  int64_t epochs_of_run_ = 0;  ///< 0: of no run
  data::Splits data_;
  data::DatasetPtr measured_;
  data::InputInfo input_;
};

}  // namespace kindling::cli
