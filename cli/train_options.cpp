#include <kindling/cli/train_options.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/presets.h>
#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Options that may be given again when a run is resumed: none that changes what has been trained
/// so far.
const std::vector<std::string> kResumable{
    "resume",           "threads",   "workers",     "strict",           "epochs", "patience",
    "checkpoint-every", "log-every", "tensorboard", "histograms-every", "data"};

void check_is_run(const std::string& run) {
  if (!fs::exists(run)) {
    const std::string folder = (fs::path(run) / "").parent_path().parent_path().string();
    throw FileError(fmt::format("{}: there is no such run; \"ls {}\" shows what is beside it, --out {} begins one", run,
                                shell_word(folder.empty() ? "." : folder), shell_word(run)));
  }
  if (!fs::exists(run + "/config.json")) throw FileError(run + ": is no run folder: it has no config.json");
}

void apply_run_to_resume(TrainCommand& options, Settings& settings) {
  const bool data_is_named = settings.is_set("data");  // on the command line
  for (const std::string& name : settings.names_set())
    if (!contains(kResumable, name))
      throw UsageError(fmt::format("--{} cannot be changed when a run is resumed; only --{} can", name,
                                   fmt::join(kResumable.begin() + 1, kResumable.end(), ", --")));
  check_is_run(options.resume);
  const std::string source = options.resume + "/config.json";
  nlohmann::json config = RunFolder::read_config(options.resume);
  options.resumed = RunFacts::take_from(config, source);
  settings.apply(config, source, Layer::run);
  options.out = options.resume;
  if (const std::string last = options.out + "/last.ckpt"; fs::exists(last)) {
    options.images.described = read_description(last).preprocessing;
  } else {  // as at the beginning
    options.images.apply_preprocess(settings);
    const std::optional<Recognised> known = options.model.weights.empty() ? std::nullopt : options.model.file().known;
    if (known) options.images.take(options.model.weights, known->description.preprocessing, known->by_names);
  }
  options.moved = data_is_named;
  if (const int64_t done = RunFolder::epochs_done(options.out); options.recipe.epochs < done)
    throw UsageError(fmt::format("--epochs {}: {} has done {} already", options.recipe.epochs, options.out, done));
}

void apply_config_file(const TrainCommand& options, Settings& settings) {
  nlohmann::json config;
  try {
    config = nlohmann::json::parse(read_file(options.config));
  } catch (const nlohmann::json::parse_error& error) {
    throw FileError(fmt::format("{}: byte {}: is not JSON", options.config, error.byte));
  } catch (const nlohmann::json::exception&) {
    throw FileError(options.config + ": holds a number that is too large");
  }
  if (!config.is_object()) throw FileError(options.config + ": is not a JSON object of option values");
  for (const char* key : {"resume", "config"})
    if (config.contains(key))
      throw UsageError(
          fmt::format("{}: \"{}\" can be said on the command line alone, by --{}", options.config, key, key));
  // The config.json of a run holds every option: those that had no effect are not the user's words.
  const Layer layer = config.contains("machine") ? Layer::run : Layer::config_file;
  RunFacts::take_from(config, options.config);
  settings.apply(config, options.config, layer);
}

/// Without options it is `shapes`; for a folder of pictures without another recipe it is `photos`.
std::string default_preset(const TrainCommand& options, const Settings& settings) {
  if (!options.config.empty() || settings.is_set("preset")) return options.preset;
  if (options.data.data.starts_with("folder:")) return "photos";
  return settings.is_set("model") || settings.is_set("data") ? "" : "shapes";
}

/// Takes the model and its inputs from the weights to begin with. The classes are those of the
/// data.
void apply_description(TrainCommand& options, Settings& settings) {
  const std::optional<RunFacts> facts = apply_description_of(options.model, settings, {"classes"});
  if (facts) options.images.take(options.model.weights, facts->preprocessing, facts->pixels_are_guessed);
}

/// Lets preset photos choose by the pictures what the user has not named: the size, up to 128
/// pixels; the CIFAR form of the model for small ones; and crops.
void choose_by_pictures(TrainCommand& options, const data::InputInfo& input) {
  constexpr int64_t kLargest = 128, kStep = 32, kSmall = 48;  // pixels
  ModelChoice& model = options.model;
  const int64_t fits = input.is_square() ? input.shorter_side : input.shorter_side / kStep * kStep;
  const int64_t size = model.size > 0 ? model.size : std::clamp(fits, kStep, kLargest);
  if (options.chooses_model) model.model = size < kSmall ? "squeezenet_cifar" : "squeezenet1_1";
  if (model.info().any_size && size >= model.info().smallest_size) model.size = size;
  if (!options.recipe.augment.empty()) return;
  const bool much_larger = 2 * input.shorter_side >= 3 * size;
  options.recipe.augment = {input.size && !much_larger ? "pad-crop" : "resized-crop", "flip"};
}

/// Lets preset finetune choose by the pictures what the user has not named: the size, which is that
/// of the weights but for small pictures; crops; and the number of epochs for `count` pictures.
void choose_for_finetuning(TrainCommand& options, const Settings& settings, const data::InputInfo& input,
                           int64_t count) {
  constexpr int64_t kLeast = 96, kStep = 32;  // pixels; docs/finetuning.md: what smaller pictures are enlarged to
  constexpr int64_t kUpdates = 400, kFewest = 6, kMost = 30;  // docs/finetuning.md: how many epochs
  ModelChoice& model = options.model;
  const int64_t fits = std::max(kLeast, ceil_div(input.shorter_side, kStep) * kStep);
  if (!settings.is_named("size") && model.info().any_size) model.size = std::min(model.input_size(), fits);
  if (options.recipe.augment.empty()) options.recipe.augment = {"resized-crop", "flip"};
  const int64_t updates = ceil_div(count, options.recipe.batch_size * options.recipe.accumulate);  // in one epoch
  if (!settings.is_named("epochs")) options.recipe.epochs = std::clamp(ceil_div(kUpdates, updates), kFewest, kMost);
}

}  // namespace

void declare(TrainCommand& options, Settings& settings) {
  settings.group("Run");
  add_preset(settings, options.preset, presets());
  settings.add("config", options.config, "FILE", "JSON of option values, as config.json of a run");
  settings.add("out", options.out, "RUN", "Run folder (default runs/<date>-<time>)");
  settings.add("resume", options.resume, "RUN", "Go on with a run, as if it had never stopped");
  settings.add("checkpoint-every", options.checkpoint_every, "N", "Updates between checkpoints; 0: at epochs' ends")
      ->check(at_least(0));
  settings.add("log-every", options.log_every, "N", "Updates between lines of metrics.jsonl; 0: at epochs' ends")
      ->check(at_least(0));
  settings.add("patience", options.patience, "N", "Stop after N epochs without a new best; 0: never")
      ->check(at_least(0));
  settings.add_switch("tensorboard", options.tensorboard, "Write event files for TensorBoard");
  settings.add("histograms-every", options.histograms_every, "N", "Epochs between histograms in them; 0: none")
      ->check(at_least(0));
  settings.add_flag("baseline", options.baseline,
                    "Of preset finetune: then train from scratch as long, by preset photos, and compare");
  options.model.declare(settings);
  settings
      .add("conv10-bias", options.model.conv10_bias, "X",
           "Of SqueezeNets: where conv10's bias starts (default 0); 1 keeps its ReLU alive")
      ->check(finite());
  options.data.declare(settings);
  options.data.declare_for_training(settings);
  options.recipe.declare(settings);
  options.images.declare(settings);
}

void apply_layers(TrainCommand& options, Settings& settings) {
  if (!options.resume.empty()) return apply_run_to_resume(options, settings);
  if (!options.config.empty()) apply_config_file(options, settings);
  options.preset = default_preset(options, settings);
  if (is_finetuning(options) && options.model.weights.empty())
    throw UsageError("--preset finetune needs --weights FILE: what to begin with");
  options.images.apply_preprocess(settings);
  if (!options.model.weights.empty()) apply_description(options, settings);
  const std::vector<std::string> named = settings.names_set();
  if (options.preset.empty()) return;
  nlohmann::json values = find_preset(options.preset).values_beside(named);
  if (!options.model.is_squeezenet()) values.erase("conv10_bias");
  settings.apply(values, "preset " + options.preset, Layer::preset);
  options.chooses_model = options.preset == "photos" && !settings.is_set("model");
  options.chooses_batch_size = !contains(named, "batch-size");
}

void check_effects(const TrainCommand& options, const Settings& settings) {
  if (options.baseline && !is_finetuning(options))
    throw UsageError("--baseline has no effect without --preset finetune, which it is compared with");
  const bool histograms = options.tensorboard || options.histograms_every == 0;
  settings.check_effects({{"histograms-every", histograms, "without --tensorboard: they are part of its event files"}});
  settings.check_effects(options.data.effects());
  settings.check_effects(options.recipe.effects());
  const bool new_weights = options.model.weights.empty();
  const std::string why = "beside --weights, which says what to begin with";
  settings.check_effects({{"init", new_weights, why}, {"conv10-bias", new_weights || is_finetuning(options), why}});
}

RunFacts complete(TrainCommand& options, const Settings& settings, const data::Splits& data,
                  const data::InputInfo& input) {
  const RunFacts facts{.channels = input.channels, .class_names = data.train->classes()};
  if (options.resumed) options.resumed->check_same(facts, options.data.data);
  if (options.preset == "photos" && !options.resumed) choose_by_pictures(options, input);
  if (is_finetuning(options) && !options.resumed) choose_for_finetuning(options, settings, input, data.train->size());
  if (is_finetuning(options)) options.model.finetuned_for = facts.class_names;
  options.model.complete(static_cast<int64_t>(facts.class_names.size()), input);
  if (auto& pixels = options.images.described; pixels && input.is_square() && input.shorter_side <= options.model.size)
    pixels->size = pixels->shorter = options.model.size;  // a picture that is enlarged has no border to cut off
  if (options.chooses_batch_size) options.recipe.batch_size = std::min(options.recipe.batch_size, data.train->size());
  if (options.recipe.batch_size > data.train->size())
    throw UsageError(fmt::format("--batch-size {0} is larger than the training set of {1} images: use {1} or less",
                                 options.recipe.batch_size, data.train->size()));
  if (options.patience > 0 && data.val == nullptr)
    throw UsageError("--patience has no effect: no images are held out to judge an epoch by (see --val-share)");
  options.recipe.complete(input);
  settings.check_effects(options.recipe.effects());
  options.recipe.drop_what_has_no_effect();
  if (const int64_t early = options.recipe.early_size; early > 0) {
    if (!options.model.info().any_size)
      throw UsageError("--early-size: " + options.model.model + " takes images of the size that it was made for alone");
    options.model.check_size("early-size", early);
  }
  options.images.complete(input.channels);
  options.data.make_absolute();
  options.model.weights = absolute_path(options.model.weights);
  return facts;
}

std::string config_of(const Settings& settings, const RunFacts& facts, const nlohmann::json& convolutions) {
  nlohmann::json config = settings.values();
  for (const char* key : {"out", "resume", "config"}) config.erase(key);  // where, not what
  config.update(facts.to_json());
  config["convolutions"] = convolutions;
  try {
    return config.dump();
  } catch (const nlohmann::json::exception& error) {
    throw FileError(std::string("config.json cannot hold a path or name that is not UTF-8: ") + error.what());
  }
}

}  // namespace kindling::cli
