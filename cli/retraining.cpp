#include <kindling/cli/retraining.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/presets.h>
#include <kindling/cli/trained_on.h>
#include <kindling/cli/training.h>
#include <kindling/data/open.h>

namespace kindling::cli {
namespace {

/// The recipe of preset finetune, without what is for a new last layer. Digits stay as they are.
nlohmann::json finetuning_values(const std::string& data) {
  nlohmann::json values = find_preset("finetune").values;
  for (const char* key : {"conv10_bias", "head_lr"}) values.erase(key);
  if (!data.starts_with("mnist:")) values["augment"] = {"resized-crop", "flip"};
  return values;
}

}  // namespace

Retraining::Retraining(const Choice& choice) : epochs_(choice.epochs) {
  Settings settings;
  declare(options_, settings);
  nlohmann::json config = config_of_run(choice.model.weights);
  if (!config.is_null()) RunFacts::take_from(config, folder_of(choice.model.weights) + "/config.json");
  if (config.is_null())
    settings.apply(finetuning_values(choice.data.data), "preset finetune", Layer::preset);
  else
    settings.apply(config, choice.model.weights, Layer::run, Settings::Unknown::pass_over);
  if (!config.is_null()) epochs_of_run_ = options_.recipe.epochs;
  options_.recipe.early_size = options_.recipe.early_epochs = 0;  // the run's last epochs have images of full size
  options_.preset.clear();                                        // nothing is left for it to choose
  options_.chooses_batch_size = true;
  options_.everywhere = choice.everywhere;
  options_.model = choice.model;
  options_.data = choice.data;
  if (choice.lr) options_.recipe.lr = choice.lr;
  options_.recipe.epochs = std::max<int64_t>(epochs_, 1);
  options_.images = choice.images;

  open_data();
  input_ = data::describe_inputs(*data_.train);
  choice.facts.check_same({.channels = input_.channels, .class_names = data_.train->classes()}, options_.data.data);
  complete(options_, settings, data_, input_);
}

// What was held out when the weights were trained is held out again, whatever --seed says.
void Retraining::open_data() {
  const std::optional<TrainedOn> before = read_trained_on(options_.model.file());
  const std::string& spec = options_.data.data;
  if (epochs_ == 0 && !(data::has_part(spec, "train") && data::has_part(spec, "test"))) {
    const data::OpenOptions how = options_.data.open_options(options_.everywhere.seed);
    measured_ = choose_for_eval(spec, how, before).set.images;
    data_.train = measured_;
    return;
  }
  data_ = options_.data.open(options_.data.open_options(before ? before->seed : options_.everywhere.seed));
  measured_ = data_.test ? data_.test : data_.val;
  if (!measured_)
    throw UsageError(fmt::format("{} has no images to measure on: test/, val/ or a --val-share above 0", spec));
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
  constexpr double kForSums = 0.01;  // compress/share.h: plain SGD adds the gradients of hundreds of weights
  const bool sums = change.shares_weights && options.recipe.optimizer == "sgd";
  *options.recipe.lr *= change.lr_factor * (sums ? kForSums : 1);
  options.recipe.freeze_parameters(model);
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
  return evaluate(model, measured_, how(stop));
}

Score Retraining::score(const std::atomic<bool>* stop) const {
  return top1_on(data_.val ? data_.val : measured_, how(stop));
}

}  // namespace kindling::cli
