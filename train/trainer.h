// The training loop.
#pragma once

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/data/loader.h>
#include <kindling/nn/module.h>
#include <kindling/optim/optimizer.h>
#include <kindling/optim/schedule.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>
#include <kindling/train/progress.h>

namespace kindling {

/// How to learn. All of these options affect the bits of the result.
struct TrainerOptions {
  Schedule schedule = constant();  ///< of the learning rate, per update
  int64_t batch_size = 32;
  int64_t accumulate = 1;   ///< batches per update (Caffe's iter_size); an epoch's last update may have fewer
  int64_t micro_batch = 0;  ///< samples per part of a batch, see StepPlan; 0: chosen
  double clip_norm = 0;     ///< gradients longer than this (all parameters together) are scaled down to it; 0: never
  Loss loss = classification();
  std::vector<Metric> metrics = {};  ///< of validation and test, besides loss, top-1 and top-5
  bool drop_last = false;            ///< leave out an epoch's last batch if it is smaller
  /// How pictures become inputs, unless a transform below is given; by default
  /// data::Preprocessing{}. Checkpoints keep it, so that a user of the model need not know it. If
  /// there is an `eval_transform` and no `preprocessing`, checkpoints keep nothing.
  std::optional<data::Preprocessing> preprocessing = {};
  data::Transform train_transform = {};  ///< empty: that of `preprocessing`
  data::Transform eval_transform = {};   ///< alike, for validation and test
  data::Transform early_transform = {};  ///< train_transform of the first `early_epochs`: to smaller images, say
  int64_t early_epochs = 0;
  /// Whether what the first, frozen layers make of the data is computed once and kept, if it fits
  /// into ReadOptions::cache_bytes: see features.h. Nothing in the transforms may be random then.
  /// The result is that of the plain way, up to rounding.
  bool cache_features = false;
  /// Called after every update with their number in the whole training. It may change parameters
  /// and their constraints, as gradual pruning does (compress/prune.h), by nothing but that number
  /// and the parameters; else a resumed run would go another way.
  std::function<void(int64_t updates)> after_update = {};
  uint64_t seed = 0;  ///< of order and augmentation; dropout's is the Rng that made the model
};

/// How long to train, and what to write and show.
struct FitOptions {
  int64_t epochs = 10;
  /// The folder for config.json, metrics.jsonl, curves.svg, last.ckpt and best.ckpt. It is created
  /// if needed. Empty: nothing is written.
  std::string run = {};
  /// Continues from the run's last.ckpt, bit for bit as if it had never stopped. The model must be
  /// made as at the beginning, because dropout draws from the Rng that made it. If the run has no
  /// last.ckpt, no best.ckpt and no epoch in metrics.jsonl, it starts from the beginning. Without
  /// `resume`, a folder that holds a run is refused.
  bool resume = false;
  int64_t checkpoint_every = 0;  ///< updates between checkpoints inside an epoch; 0: only at its end
  int64_t log_every = 100;       ///< updates between lines of metrics.jsonl; 0: only at an epoch's end
  int64_t patience = 0;          ///< stop after so many epochs without a new best; 0: never
  data::DatasetPtr test = {};    ///< read once, after the last epoch
  int64_t mistakes = 0;          ///< how many of the worst each evaluation keeps (Evaluation::mistakes)
  data::ReadOptions reading = {};
  std::string config = {};  ///< a JSON object of the caller's own options, kept in config.json
  /// A JSON object about the data, kept in the checkpoints (Description::data). Empty: what `train`
  /// says of itself (Dataset::about).
  std::string about_data = {};
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
  int64_t epochs = 0;                                    ///< completed, those before a resume included
  int64_t steps = 0;                                     ///< updates, alike
  double train_loss = 0;                                 ///< of the last complete epoch
  std::optional<Evaluation> validation = {}, test = {};  ///< after the last epoch; nothing without such data
  std::optional<double> best =
      {};                        ///< largest top-1 of a validation, or smallest loss of models that are no classifiers
  int64_t best_epoch = 0;        ///< 1-based
  double images_per_second = 0;  ///< training alone, since this call began
  double peak_rss_mb = 0;        ///< largest memory of the process, in 10^6 bytes
};

/// A loss or gradient is NaN or Inf. The message names the operation and the layer where it began.
struct DivergedError : Error {
  using Error::Error;
};

/// A layer, or the whole network, has stopped learning for good (dead_layers.h).
struct DeadNetworkError : Error {
  using Error::Error;
};

/// Trains `model`, which must outlive the trainer. Meanwhile layers whose parameters are all frozen
/// (nn/freeze.h) are in evaluation mode.
///
///     Trainer trainer(net, SGD(net.parameters(), {.lr = 0.04}), {.schedule = poly(1.0)});
///     trainer.fit(train, val, {.epochs = 10, .run = "runs/photos", .progress = true});
///
class Trainer {
 public:
  template <std::derived_from<Optimizer> O>
  Trainer(Module& model, O optimizer, TrainerOptions options = {})
      : Trainer(model, std::make_unique<O>(std::move(optimizer)), std::move(options)) {}
  Trainer(Module& model, std::unique_ptr<Optimizer> optimizer, TrainerOptions options = {});

  /// Trains on all of `train` in each epoch, and then evaluates on `val`, which may be null.
  ///
  /// The best epoch has the largest top-1 on `val`, or for other models than classifiers the
  /// smallest loss. Without `val`, best.ckpt is that of the last epoch.
  ///
  /// Throws ShapeError if the options make no sense (a batch larger than the data). Throws
  /// DivergedError if loss or gradient become NaN or Inf, and DeadNetworkError if a layer is dead;
  /// last.ckpt is then the last checkpoint before that. Throws FileError if the run cannot be read,
  /// or if there is no room to begin it. A file that cannot be written later is reported
  /// (TrainListener::on_note) and tried again when it is due next. fit() throws only if it is still
  /// missing at the end.
  TrainResult fit(const data::DatasetPtr& train, const data::DatasetPtr& val = nullptr, const FitOptions& options = {});

  Optimizer& optimizer() { return *optimizer_; }
  const TrainerOptions& options() const { return options_; }

 private:
  Module& model_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainerOptions options_;
};

}  // namespace kindling
