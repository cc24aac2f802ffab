#include <kindling/cli/retraining.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include <kindling/cli/presets.h>
#include <kindling/cli/trained_on.h>
#include <kindling/cli/training.h>

namespace kindling::cli {
namespace {

/// The recipe of preset finetune, without what is for a new last layer.
nlohmann::json finetuning_values() {
  nlohmann::json values = find_preset("finetune").values;
  for (const char* key : {"conv10_bias", "head_lr"}) values.erase(key);
  values["augment"] = {"resized-crop", "flip"};
  return values;
}

}  // namespace

Retraining::Retraining(const Choice& choice) : epochs_(choice.epochs) {
  Settings settings;
  declare(options_, settings);
  nlohmann::json config = config_of_run(choice.model.weights);
  if (!config.is_null()) RunFacts::take_from(config, folder_of(choice.model.weights) + "/config.json");
  if (config.is_null())
    settings.apply(finetuning_values(), "preset finetune", Layer::preset);
  else
    settings.apply(config, choice.model.weights, Layer::run, Settings::Unknown::pass_over);
  if (!config.is_null()) epochs_of_run_ = options_.recipe.epochs;
  options_.preset.clear();  // nothing is left for it to choose
  options_.chooses_batch_size = true;
  options_.everywhere = choice.everywhere;
  options_.model = choice.model;
  options_.data = choice.data;
  if (choice.lr) options_.recipe.lr = choice.lr;
  options_.recipe.epochs = std::max<int64_t>(epochs_, 1);
  options_.images = choice.images;

  const data::OpenOptions how = options_.data.open_options(options_.everywhere.seed);
  if (epochs_ > 0) {
    data_ = data::open_dataset(options_.data.data, how);
    measured_ = data_.test ? data::EvalSet{data_.test, "test"} : data::EvalSet{data_.val, "held out"};
  } else {
    measured_ = choose_for_eval(options_.data.data, how, read_trained_on(options_.model.file())).set;
    data_.train = measured_.images;
  }
  input_ = data::describe_inputs(*data_.train);
  choice.facts.check_same({.channels = input_.channels, .class_names = data_.train->classes()}, options_.data.data);
  complete(options_, settings, data_, input_);
}

Schedule Retraining::schedule() const {
  const int64_t images = data_.train->size();
  if (epochs_of_run_ <= epochs_) return options_.recipe.make_schedule(images);
  return rewound(options_.recipe.make_schedule(images),
                 static_cast<double>(epochs_) / static_cast<double>(epochs_of_run_));
}

bool Retraining::train(Module& model, TerminalProgress& progress, const std::atomic<bool>* stop,
                       const Change& change) const {
  TrainCommand options = options_;
  *options.recipe.lr *= change.lr_factor;
  const TrainResult result =
      make_trainer(options, model, schedule(), input_, change.after_update)
          ->fit(data_.train, nullptr,
                {.epochs = epochs_, .reading = options.data.reading, .listener = &progress, .stop = stop});
  return result.end != TrainEnd::stopped;
}

int64_t Retraining::updates() const { return epochs_ * options_.recipe.updates_per_epoch(data_.train->size()); }

EvaluateOptions Retraining::how(const std::atomic<bool>* stop) const {
  constexpr int64_t kBatch = 64;
  return {.batch_size = kBatch,
          .transform = data::preprocess(options_.images.preprocessing(options_.model.size, input_)),
          .reading = options_.data.reading,
          .stop = stop};
}

Evaluation Retraining::measure(Module& model, const std::atomic<bool>* stop) const {
  return evaluate(model, measured_.images, how(stop));
}

Score Retraining::score(const std::atomic<bool>* stop) const { return top1_on(measured_.images, how(stop)); }

}  // namespace kindling::cli
