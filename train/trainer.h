// The training loop.
#pragma once

#include <atomic>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/data/loader.h>
#include <kindling/nn/module.h>
#include <kindling/optim/optimizer.h>
#include <kindling/optim/schedule.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>
#include <kindling/train/progress.h>

namespace kindling {

/// How to learn. Everything here decides the bits of the result.
struct TrainerOptions {
  Schedule schedule = constant();  ///< of the learning rate, per update
  int64_t batch_size = 32;
  int64_t accumulate = 1;   ///< batches per update (Caffe's iter_size); an epoch's last update may have fewer
  int64_t micro_batch = 0;  ///< samples per part of a batch, see StepPlan; 0: chosen
  double clip_norm = 0;     ///< gradients longer than this (all parameters together) are scaled down to it; 0: never
  Loss loss = classification();
  std::vector<Metric> metrics = {};  ///< of validation and test, besides loss, top-1 and top-5
  bool drop_last = false;            ///< leave out an epoch's last batch if it is smaller
  /// How pictures become inputs, where no transform below says otherwise; nothing: its defaults. The checkpoints tell
  /// it, so that whoever uses the model need not know. With an `eval_transform` and nothing here they tell nothing.
  std::optional<data::Preprocessing> preprocessing = {};
  data::Transform train_transform = {};  ///< empty: that of `preprocessing`
  data::Transform eval_transform = {};   ///< alike, for validation and test
  data::Transform early_transform = {};  ///< train_transform of the first `early_epochs`: to smaller images, say
  int64_t early_epochs = 0;
  uint64_t seed = 0;  ///< of order and augmentation; dropout's is the Rng that made the model
};

/// How far, and what to write and tell on the way.
struct FitOptions {
  int64_t epochs = 10;
  /// Folder for config.json, metrics.jsonl, curves.svg, last.ckpt
  /// and best.ckpt; made if needed. Empty: nothing is written.
  std::string run = {};
  /// Goes on from the run's last.ckpt, bit for bit as if it had never stopped, if the model is made as it was for the
  /// beginning (dropout draws from the Rng that made it). Where there is none, nor best.ckpt or an epoch in
  /// metrics.jsonl, from the beginning. Without it a folder that holds a run already is refused.
  bool resume = false;
  int64_t checkpoint_every = 0;  ///< updates between checkpoints inside an epoch; 0: only at its end
  int64_t log_every = 100;       ///< updates between lines of metrics.jsonl; 0: only at an epoch's end
  int64_t patience = 0;          ///< stop after so many epochs without a new best; 0: never
  data::DatasetPtr test = {};    ///< read once, after the last epoch
  int workers = 1;               ///< background threads that read and augment
  bool strict = false;           ///< a damaged sample throws FileError instead of being skipped and named
  int64_t cache_bytes = data::LoaderOptions{}.cache_bytes;
  nlohmann::json config = {};  ///< object of the caller's own options, kept in config.json
  /// Object on what is trained on, kept in the checkpoints (Description::data). Nothing: what `train` says of itself
  /// (Dataset::about).
  nlohmann::json about_data = {};
  bool curves = true;            ///< draw curves.svg (with gnuplot)
  bool tensorboard = false;      ///< event files of scalars in the folder `run`
  int64_t histograms_every = 0;  ///< epochs between histograms of weights and gradients in them; 0: none
  bool progress = false;         ///< show it on standard error as the command line does: see TerminalProgress
  TrainListener* listener = nullptr;
  const std::atomic<bool>* stop = nullptr;  ///< becomes true: finish the update, write last.ckpt, return
};

enum class TrainEnd {
  finished,       ///< all epochs done
  early_stopped,  ///< patience ran out
  stopped,        ///< asked to stop; fit() with `resume` goes on
};

struct TrainResult {
  TrainEnd end = TrainEnd::finished;
  std::string run = {};
  int64_t epochs = 0;                                                 ///< completed, those before a resume included
  int64_t steps = 0;                                                  ///< updates, alike
  double train_loss = 0;                                              ///< of the last complete epoch
  std::optional<double> val_loss = {}, val_top1 = {}, val_top5 = {};  ///< after the last epoch; accuracies in per cent
  std::optional<double> test_loss = {}, test_top1 = {}, test_top5 = {};
  std::optional<Evaluation> validation = {}, test = {};  ///< the same, with the user's metrics
  std::optional<double> best = {};  ///< largest val_top1, or smallest val_loss of models that are not classifiers
  int64_t best_epoch = 0;           ///< 1-based
  double images_per_second = 0;     ///< training alone, since this call began
  double peak_rss_mb = 0;           ///< largest memory of the process, in 10^6 bytes
};

/// A loss or gradient that is no longer finite, with the operation and layer that made it so.
struct DivergedError : Error {
  using Error::Error;
};

/// A layer, or the whole network, that learns nothing any more and never will again (dead_layers.h).
struct DeadNetworkError : Error {
  using Error::Error;
};

/// Trains `model`, which must outlive the trainer:
///
///     Trainer trainer(net, SGD(net.parameters(), {.lr = 0.04}), {.schedule = poly(1.0), .batch_size = 32});
///     trainer.fit(train, val, {.epochs = 10, .run = "runs/photos", .progress = true});
///
class Trainer {
 public:
  template <std::derived_from<Optimizer> O>
  Trainer(Module& model, O optimizer, TrainerOptions options = {})
      : Trainer(model, std::make_unique<O>(std::move(optimizer)), std::move(options)) {}
  Trainer(Module& model, std::unique_ptr<Optimizer> optimizer, TrainerOptions options = {});

  /// Trains on all of `train` in each epoch and evaluates on `val` (may be null) after it. Best is the epoch with the
  /// largest val_top1, or the smallest val_loss of models that are not classifiers; without `val` none is, and
  /// best.ckpt is the last epoch's. Throws ShapeError for options that
  /// make no sense (a batch larger than the data), DivergedError if loss or gradient become NaN or Inf,
  /// DeadNetworkError if a layer is found dead (dead_layers.h); last.ckpt then holds the last checkpoint before it.
  /// Throws FileError if the run cannot be read, or begun for want of space. A file that cannot be written later on is
  /// told (TrainListener::on_note) and tried again when it is next due: only what is still missing at the end throws.
  TrainResult fit(const data::DatasetPtr& train, const data::DatasetPtr& val = nullptr, const FitOptions& options = {});

  Optimizer& optimizer() { return *optimizer_; }
  const TrainerOptions& options() const { return options_; }

 private:
  Module& model_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainerOptions options_;
};

}  // namespace kindling
