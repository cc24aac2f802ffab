#include <kindling/cli/training.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include <kindling/cli/presets.h>
#include <kindling/models/definition.h>
#include <kindling/nn/lsuv.h>

namespace kindling::cli {
namespace {

using Words = std::vector<std::string>;

/// Whether the file's model has another number of classes.
bool has_other_classes(const TrainCommand& options) {
  const std::optional<Recognised>& known = options.model.file().known;
  return known && options_of(known->description.model).classes != options.model.classes;
}

std::unique_ptr<Module> make_model(const TrainCommand& options, int64_t channels) {
  Rng rng(options.everywhere.seed);
  if (has_checkpoint(options)) {
    std::unique_ptr<Module> model = options.model.make(rng, channels);
    shrink_as_in(*model, open_weights(options.out + "/last.ckpt"));
    return model;
  }
  try {
    return options.model.load(rng, channels);
  } catch (const FileError& error) {
    if (is_finetuning(options) || options.model.weights.empty() || !has_other_classes(options)) throw;
    throw FileError(std::string(error.what()) + "\n  --preset finetune makes a new last layer for the classes here");
  }
}

/// Fits the first weights to the first images, if the recipe says so and the weights are new.
void initialize(const TrainCommand& options, Module& model, const data::Splits& data,
                const data::Transform& transform) {
  if (options.recipe.init != "lsuv" || has_checkpoint(options) || !options.model.weights.empty()) return;
  const int64_t images = std::min(options.recipe.batch_size, data.train->size());
  data::Loader loader(data.train, {.batch_size = images,
                                   .shuffle = true,
                                   .seed = options.everywhere.seed,
                                   .transform = transform,
                                   .reading = {.workers = 0, .strict = options.data.reading.strict, .cache_bytes = 0}});
  loader.start(0);
  scale_to_unit_variance(model, loader.next().input);
}

/// The seconds of the fastest epoch.
struct EpochClock : TrainListener {
  void on_epoch(const EpochReport& report) override { seconds = std::min(seconds, report.seconds); }
  double seconds = HUGE_VAL;
};

double seconds_per_epoch(const TrainCommand& options, const data::Splits& data, const data::InputInfo& input,
                         const std::atomic<bool>* stop) {
  EpochClock clock;
  constexpr int64_t kEpochs = 2;  // the first one decodes the images as well
  make_training(options, data, input)
      .trainer->fit(data.train, nullptr,
                    {.epochs = kEpochs, .reading = options.data.reading, .listener = &clock, .stop = stop});
  return clock.seconds;
}

}  // namespace

bool has_checkpoint(const TrainCommand& options) {
  return !options.resume.empty() && std::filesystem::exists(options.out + "/last.ckpt");
}

std::unique_ptr<Trainer> make_trainer(const TrainCommand& options, Module& model, Schedule schedule,
                                      const data::InputInfo& input, std::function<void(int64_t updates)> after_update) {
  const Recipe& recipe = options.recipe;
  const int64_t size = options.model.size;
  return std::make_unique<Trainer>(
      model, recipe.make_optimizer(model),
      TrainerOptions{.schedule = std::move(schedule),
                     .batch_size = recipe.batch_size,
                     .accumulate = recipe.accumulate,
                     .micro_batch = recipe.micro_batch,
                     .clip_norm = recipe.clip_norm,
                     .loss = classification({.label_smoothing = recipe.label_smoothing}),
                     .drop_last = recipe.drop_last,
                     .preprocessing = options.images.preprocessing(size, input),
                     .train_transform = recipe.train_transform(size, input, options.images),
                     .early_transform = recipe.early_transform(size, input, options.images),
                     .early_epochs = recipe.early_epochs,
                     .cache_features = recipe.leaves_images_alone(),
                     .after_update = std::move(after_update),
                     .seed = options.everywhere.seed});
}

Training make_training(const TrainCommand& options, const data::Splits& data, const data::InputInfo& input) {
  const Recipe& recipe = options.recipe;
  Training training{.model = make_model(options, input.channels), .trainer = {}};
  recipe.freeze_parameters(*training.model);
  initialize(options, *training.model, data, recipe.train_transform(options.model.size, input, options.images));
  training.trainer = make_trainer(options, *training.model, recipe.make_schedule(data.train->size()), input);
  return training;
}

std::optional<Baseline> train_from_scratch(const TrainCommand& finetuning, const data::Splits& data,
                                           const data::InputInfo& input, double seconds,
                                           const std::atomic<bool>* stop) {
  TrainCommand options;
  Settings settings;
  declare(options, settings);
  options.everywhere = finetuning.everywhere;
  options.data = finetuning.data;
  options.model.model = finetuning.model.model;
  options.model.size = finetuning.model.size;
  options.model.conv = finetuning.model.conv;
  options.preset = "photos";
  options.chooses_batch_size = true;
  const bool squeezenet = options.model.is_squeezenet();
  nlohmann::json values = find_preset(options.preset).values_beside(squeezenet ? Words{} : Words{"model"});
  if (!squeezenet) values.erase("conv10_bias");
  settings.apply(values, "preset " + options.preset, Layer::preset);
  complete(options, settings, data, input);

  const double epoch = seconds_per_epoch(options, data, input, stop);
  options.recipe.epochs = std::max<int64_t>(1, std::llround(seconds / epoch));
  const auto begin = std::chrono::steady_clock::now();
  const TrainResult result = make_training(options, data, input)
                                 .trainer->fit(data.train, nullptr,
                                               {.epochs = options.recipe.epochs,
                                                .test = data.test ? data.test : data.val,
                                                .reading = options.data.reading,
                                                .stop = stop});
  if (result.end == TrainEnd::stopped) return std::nullopt;
  return Baseline{.top1 = result.test ? result.test->top1 : std::nullopt,
                  .epochs = result.epochs,
                  .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
}

}  // namespace kindling::cli
