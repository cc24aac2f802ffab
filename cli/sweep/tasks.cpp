#include <kindling/cli/sweep/tasks.h>

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <kindling/cli/options.h>
#include <kindling/nn/summary.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kPixels = 32;  // of the pictures

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  Words parts;
  for (const Json& part : value) parts.push_back(text_of(part));
  return fmt::format("{}", fmt::join(parts, ","));
}

/// Training takes three times a forward pass.
double work_of(const Scale& scale, double macs, int64_t epochs) {
  constexpr int64_t kAll = 50'000;  // of CIFAR-10; a guess for others
  const int64_t images = scale.train_images > 0 ? scale.train_images : kAll;
  return 3 * macs * static_cast<double>(images * epochs);
}

Task train_task(const Scale& scale, const std::string& run, uint64_t seed, const Json& model, const Json& recipe) {
  Json options{{"preset", "cifar"}, {"data", scale.data}};
  options.update(model);
  options.update(recipe);
  options["size"] = kPixels;
  options["epochs"] = scale.epochs;
  if (scale.train_images > 0) options["train_images"] = scale.train_images;
  if (scale.has_test && !scale.has_val) options["val_share"] = 0;  // nothing is chosen by it
  options["seed"] = seed;
  options["out"] = run;
  return {.name = "train",
          .words = words_of({"train"}, options),
          .work = work_of(scale, macs_of(model), scale.epochs),
          .epochs = scale.epochs};
}

}  // namespace

Words words_of(Words command, const Json& options) {
  for (const auto& [key, value] : options.items()) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    command.push_back(name);
    if (!value.is_boolean()) command.push_back(text_of(value));  // a switch that is on
  }
  return command;
}

double macs_of(const Json& model) {
  Settings settings;
  ModelChoice choice;
  choice.declare(settings);
  settings.apply(model, "the experiment", Layer::preset, Settings::Unknown::pass_over);
  choice.size = kPixels;
  Rng rng(0);
  return static_cast<double>(summarize(*choice.make(rng), {1, kPixels, kPixels, 3}).macs);
}

std::vector<RunPlan> trainings(const Scale& scale, const std::string& name, const Json& model, const Json& recipe) {
  std::vector<RunPlan> runs;
  for (const uint64_t seed : scale.seeds) {
    const std::string run = fmt::format("{}-{}", name, seed);
    Json shapes{{"classes", scale.classes}, {"size", kPixels}};
    shapes.update(model);
    runs.push_back({.name = run,
                    .seed = seed,
                    .tasks = {train_task(scale, run, seed, model, recipe),
                              {.name = "file", .words = {"convert", run + "/last.ckpt", run + "/fp32.safetensors"}},
                              {.name = "info", .words = words_of({"info"}, shapes)}}});
  }
  return runs;
}

Words names_of(const std::vector<RunPlan>& runs) {
  Words names;
  for (const RunPlan& run : runs) names.push_back(run.name);
  return names;
}

void add_compression(std::vector<RunPlan>& runs, const Scale& scale, const std::string& name, const std::string& from,
                     const Json& options) {
  for (RunPlan& run : runs) {
    Json all{{"weights", run.name + "/" + from}};
    all.update(options);
    const bool retrains = !options.contains("calibrate");
    if (retrains) all["epochs"] = scale.retraining;
    all["seed"] = run.seed;
    all["out"] = fmt::format("{}/{}.kndz", run.name, name);
    const Task& train = run.tasks.front();
    const double share = static_cast<double>(scale.retraining) / static_cast<double>(scale.epochs);
    run.tasks.push_back(
        {.name = name, .words = words_of({"compress"}, all), .work = retrains ? train.work * share : train.work / 50});
  }
}

}  // namespace kindling::cli
