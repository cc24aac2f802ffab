#include <kindling/train/trainer.h>

#include <nlohmann/json.hpp>

#include <kindling/train/description.h>
#include <kindling/train/features.h>
#include <kindling/train/training_loop.h>

namespace kindling {
namespace {

void check_options(const TrainerOptions& options) {
  check(options.batch_size > 0, "Trainer", "batch_size must be above 0, got ", options.batch_size);
  check(options.accumulate > 0, "Trainer", "accumulate must be above 0, got ", options.accumulate);
  check(options.micro_batch >= 0, "Trainer", "micro_batch must not be negative, got ", options.micro_batch);
  check(options.early_epochs >= 0, "Trainer", "early_epochs must not be negative, got ", options.early_epochs);
  check(!options.cache_features || options.early_epochs == 0, "Trainer",
        "cache_features computes inputs of one kind, not others in the first epochs");
  check(options.clip_norm >= 0, "Trainer", "clip_norm must not be negative, got ", options.clip_norm);
}

void check_options(const FitOptions& options) {
  check(options.epochs > 0, "fit", "epochs must be above 0, got ", options.epochs);
  for (const auto& [name, value] :
       {std::pair("checkpoint_every", options.checkpoint_every), std::pair("log_every", options.log_every),
        std::pair("patience", options.patience), std::pair("histograms_every", options.histograms_every)})
    check(value >= 0, "fit", name, " must not be negative, got ", value);
  check(!options.resume || !options.run.empty(), "fit", "resume needs the folder of a run");
  for (const auto& [name, object] :
       {std::pair("config", &options.config), std::pair("about_data", &options.about_data)})
    check(object->empty() || nlohmann::json::parse(*object, nullptr, /*allow_exceptions=*/false).is_object(), "fit",
          name, " is not a JSON object");
}

}  // namespace

Trainer::Trainer(Module& model, std::unique_ptr<Optimizer> optimizer, TrainerOptions options)
    : model_(model), optimizer_(std::move(optimizer)), options_(std::move(options)) {
  check(optimizer_ != nullptr, "Trainer", "no optimizer");
  check_options(options_);
}

TrainResult Trainer::fit(const data::DatasetPtr& train, const data::DatasetPtr& val, const FitOptions& options) {
  check_options(options);
  check(train != nullptr, "fit", "no training data");
  check(options_.batch_size <= train->size(), "fit", "a batch of ", options_.batch_size,
        " is larger than the training set of ", train->size(), " samples");
  check(options.patience == 0 || val != nullptr, "fit", "patience needs validation data");
  if (!options_.cache_features) return TrainingLoop(model_, *optimizer_, options_, options, train, val).run();

  TrainerOptions how = options_;
  how.preprocessing = describe(model_, *train, options_, options).preprocessing;  // of pictures, not of features
  const data::Transform plain = data::preprocess(how.preprocessing.value_or(data::Preprocessing{}));
  const std::unique_ptr<Features> features =
      compute_features(model_, train, val,
                       {.batch_size = how.batch_size,
                        .train_transform = how.train_transform ? how.train_transform : plain,
                        .val_transform = how.eval_transform ? how.eval_transform : plain,
                        .reading = options.reading,
                        .stop = options.stop});
  return TrainingLoop(model_, *optimizer_, how, options, train, val, features.get()).run();
}

}  // namespace kindling
