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

bool Retraining::train(Module& model, TerminalProgress& progress, const std::atomic<bool>* stop) const {
  const TrainResult result =
      make_trainer(options_, model, schedule(), input_)
          ->fit(data_.train, nullptr,
                {.epochs = epochs_, .reading = options_.data.reading, .listener = &progress, .stop = stop});
  return result.end != TrainEnd::stopped;
}

Evaluation Retraining::measure(Module& model, const std::atomic<bool>* stop) const {
  const data::Preprocessing pixels = options_.images.preprocessing(options_.model.size, input_);
  return evaluate(
      model, measured_.images,
      {.batch_size = 64, .transform = data::preprocess(pixels), .reading = options_.data.reading, .stop = stop});
}

}  // namespace kindling::cli
