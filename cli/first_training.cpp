#include <kindling/cli/first_training.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/presets.h>
#include <kindling/cli/train_run.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

/// The options that a training shares with what calls for it.
constexpr const char* kShared[] = {
    "model",      "bypass",       "norm",          "dropout", "form",       "classes", "size", "conv",    "data",
    "labels",     "workers",      "val_share",     "strict",  "max_pixels", "mean",    "std",  "threads", "seed",
    "preprocess", "train_images", "squeeze_ratio", "pct3x3",  "base_e",     "incr_e",  "freq", "pools"};

/// What the user has named of the options in common.
nlohmann::json named_values(const Settings& given) {
  nlohmann::json values = nlohmann::json::object(), all = given.values();
  for (const char* key : kShared)
    if (given.is_named(key)) values[key] = all[key];
  return values;
}

void apply_recipe(const FirstTraining& training, const Settings& given, TrainCommand& train, Settings& settings) {
  nlohmann::json values = named_values(given);
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  if (std::find(names.begin(), names.end(), training.recipe) != names.end())
    values["preset"] = training.recipe;
  else if (training.recipe.empty() || std::filesystem::exists(training.recipe))
    train.config = training.recipe;
  else
    throw UsageError(fmt::format("--train {}: is neither a file nor a preset of kindling train ({})", training.recipe,
                                 fmt::join(names, ", ")));
  settings.apply(values, "the command line", Layer::command_line);
  train.out = training.run;
  apply_layers(train, settings);
}

/// The run that is there, which must be one of what the user has named.
void apply_run(const FirstTraining& training, const Settings& given, TrainCommand& train, Settings& settings) {
  train.resume = training.run;
  apply_layers(train, settings);
  const nlohmann::json named = named_values(given), of_run = settings.values();
  for (const auto& [key, value] : named.items()) {
    const bool changes_nothing = key == "threads" || key == "workers" || key == "strict" || key == "max_pixels";
    const nlohmann::json wanted = key == "data"     ? nlohmann::json(absolute_spec(value))
                                  : key == "labels" ? nlohmann::json(absolute_path(value))
                                                    : value;
    if (changes_nothing || wanted == of_run[key]) continue;
    throw UsageError(fmt::format("{} holds a run with {} {}, not {}: name another --out, or remove the folder",
                                 training.run, key, of_run[key].dump(), wanted.dump()));
  }
}

}  // namespace

std::string train_first(const FirstTraining& training, const Everywhere& everywhere, const Settings& settings) {
  TrainCommand train;
  Settings of_training;
  declare(train, of_training);
  train.everywhere.declare(of_training);
  if (RunFolder::holds_run(training.run))
    apply_run(training, settings, train, of_training);
  else
    apply_recipe(training, settings, train, of_training);
  train.everywhere.quiet = everywhere.quiet;
  TerminalProgress progress(everywhere.quiet);
  const std::string checkpoint = training.run + "/last.ckpt";
  if (!train.resume.empty() && RunFolder::epochs_done(training.run) == train.recipe.epochs) {
    progress.print(printable(training.run) + " is trained already");
    return checkpoint;
  }
  const Trained trained = train_run(train, of_training, progress);
  progress.finish();
  if (trained.result.end != TrainEnd::stopped) return checkpoint;
  say(fmt::format("stopped after step {} of the training; the same command goes on with it\n", trained.result.steps));
  return "";
}

}  // namespace kindling::cli
