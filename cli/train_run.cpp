#include <kindling/cli/train_run.h>

#include <chrono>
#include <ctime>
#include <filesystem>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <kindling/cli/interrupt.h>
#include <kindling/cli/layer_times.h>
#include <kindling/cli/output.h>
#include <kindling/cli/trained_on.h>
#include <kindling/nn/freeze.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMistakes = 10;  // that are shown after fine-tuning

/// What RunFolder would refuse later on, in the words of the command line.
void check_holds_no_run(const TrainCommand& options) {
  if (options.resume.empty() && !options.out.empty() && RunFolder::holds_run(options.out))
    throw FileError(
        fmt::format("{}: holds a run already: go on with it by --resume {}, or name another folder by --out",
                    options.out, shell_word(options.out)));
}

/// Creates runs/<date>-<time>. If another run began in the same second, a number follows.
std::string claim_new_run() {
  std::error_code error;
  fs::create_directories("runs", error);
  const std::string name = fmt::format("runs/{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr)));
  std::string run = name;
  for (int i = 2; !error && !fs::create_directory(run, error); ++i) run = fmt::format("{}-{}", name, i);
  if (error) throw FileError(run + ": cannot be made: " + error.message());
  return run;
}

/// ", 722,496 of them frozen", or "".
std::string frozen_part(Module& model) {
  int64_t learning = 0;
  for (const auto& [name, parameter] : trainable(model)) learning += parameter.numel();
  const int64_t frozen = model.parameter_count() - learning;
  return frozen == 0 ? "" : fmt::format(", {} of them frozen", with_commas(frozen));
}

std::string introduction(const TrainCommand& options, Module& model, const data::Splits& data) {
  const auto count = [](const data::DatasetPtr& set) { return with_commas(set ? set->size() : 0); };
  std::string text = fmt::format(
      "{} ({} parameters{}), images of {} pixels (--size)\n{}: {} images of {} classes, {} for validation",
      options.model.model, with_commas(model.parameter_count()), frozen_part(model), options.model.size,
      printable(options.data.data), count(data.train), options.model.classes, data.val ? count(data.val) : "none");
  if (data.test) text += fmt::format(", {} for the test", count(data.test));
  return text + fmt::format("\n{}, {}; run folder {}", counted(num_threads(), "thread"), name_of(isa()),
                            printable(options.out));
}

/// What a resumed run was trained on so far. Nothing for a new run, or if its checkpoint does not
/// say.
std::optional<TrainedOn> trained_on_so_far(const TrainCommand& options) {
  return has_checkpoint(options) ? read_trained_on(options.out + "/last.ckpt") : std::nullopt;
}

/// What differs in data that has changed where it lies; "" if nothing does. Data that has moved
/// must be the same.
std::string check_same_data(const TrainCommand& options, const std::optional<TrainedOn>& before, const TrainedOn& now) {
  if (options.moved && !has_checkpoint(options))
    throw UsageError(
        fmt::format("--data: {} has no checkpoint to go on from; begin anew on {} with kindling train --data, in "
                    "another folder",
                    options.out, options.data.data));
  if (options.moved && !before)
    throw UsageError(
        fmt::format("--data: {}/last.ckpt does not say what it was trained on, so it cannot be told whether "
                    "{} is the same; move the data back to where it was",
                    options.out, options.data.data));
  const std::string changed = before ? difference(*before, now) : "";
  if (options.moved && !changed.empty())
    throw Error(fmt::format("--data {}: is not the data of the run {}: {}", options.data.data, options.out, changed));
  return changed;
}

/// Tells what has changed in the data of a run. Throws Error if there are more or fewer images to
/// train on: then it cannot go on.
void tell_of_change(const TrainCommand& options, const std::string& changed, int64_t images,
                    TerminalProgress& progress) {
  if (changed.empty()) return;
  const std::string what = options.data.data + " has changed since the run began, so it ";
  if (const int64_t before = RunFolder::samples(options.out).value_or(images); before != images)
    throw Error(
        fmt::format("{}cannot go on: {} ({} images to train on, {} then); put them back, or begin anew in "
                    "another folder (--out) with --weights {}",
                    what, changed, images, before, shell_word(options.out + "/last.ckpt")));
  progress.on_note(what + "goes on otherwise than it would have: " + changed);
}

/// Tells if the run's convolutions were computed otherwise when it was last started: by another
/// version, or before config.json held this.
void tell_of_methods(const TrainCommand& options, const nlohmann::json& now, TerminalProgress& progress) {
  const std::string path = RunFolder::config_path(options.out);
  if (!has_checkpoint(options) || !fs::exists(path)) return;
  const nlohmann::json before = RunFolder::read_config(options.out).value("convolutions", nlohmann::json());
  if (before.is_null())
    return progress.on_note(path +
                            " does not say how convolutions were computed, as older versions did not write it: from "
                            "here on, results may differ in their last bits");
  for (const auto& [layer, passes] : now.items())
    for (const auto& [pass, method] : passes.items()) {
      const nlohmann::json known = before.is_object() ? before.value(layer, nlohmann::json()) : nlohmann::json();
      const nlohmann::json was = known.is_object() ? known.value(pass, nlohmann::json()) : nlohmann::json();
      if (was == method) continue;
      return progress.on_note(
          fmt::format("{} ({}) was computed by \"{}\" before and is by \"{}\" now: from here on, results differ in "
                      "their last bits",
                      layer, pass, was.is_string() ? was.get<std::string>() : "?", method.get<std::string>()));
    }
}

std::optional<Baseline> compare(const TrainCommand& options, const Trained& trained, const data::InputInfo& input,
                                double seconds, const std::atomic<bool>* stop, TerminalProgress& progress) {
  if (!options.baseline || trained.result.end == TrainEnd::stopped) return std::nullopt;
  progress.print(fmt::format("baseline: from scratch by preset photos, for the same {}", duration(seconds)));
  return train_from_scratch(options, trained.data, input, seconds, stop);
}

Trained fit(TrainCommand& options, const Settings& settings, TerminalProgress& progress) {
  const std::optional<TrainedOn> before = trained_on_so_far(options);
  data::OpenOptions how = options.data.open_options(options.everywhere.seed);
  if (before && before->folder && !how.labels.empty())
    how.classes = before->folder->classes;  // the file may have moved
  if (!options.resume.empty() && !options.moved) check_not_moved(options.data.data);
  Trained trained{.data = options.data.open(how)};
  const data::Splits& data = trained.data;
  const TrainedOn now = describe_data(options.data.data, how, *data.train);
  const std::string changed = check_same_data(options, before, now);
  const data::InputInfo input = data::describe_inputs(*data.train);
  const RunFacts facts = complete(options, settings, data, input);
  if (options.baseline && !trained.measured())
    throw UsageError("--baseline needs images to compare on: test/, val/ or --val-share");
  tell_of_change(options, changed, data.train->size(), progress);
  const Training training = make_training(options, data, input);
  if (options.out.empty()) options.out = claim_new_run();  // last, as what fails before leaves no folder then
  const nlohmann::json methods =
      conv_methods(*training.model, {1, options.model.size, options.model.size, input.channels});
  tell_of_methods(options, methods, progress);
  const Interrupt interrupt;
  progress.print(introduction(options, *training.model, data));
  const auto begin = std::chrono::steady_clock::now();
  trained.result = training.trainer->fit(data.train, data.val,
                                         {.epochs = options.recipe.epochs,
                                          .run = options.out,
                                          .resume = !options.resume.empty(),
                                          .checkpoint_every = options.checkpoint_every,
                                          .log_every = options.log_every,
                                          .patience = options.patience,
                                          .test = data.test,
                                          .mistakes = is_finetuning(options) ? kMistakes : 0,
                                          .reading = options.data.reading,
                                          .config = config_of(settings, facts, methods),
                                          .about_data = data::to_json(now).dump(),
                                          .tensorboard = options.tensorboard,
                                          .histograms_every = options.histograms_every,
                                          .listener = &progress,
                                          .stop = interrupt.requested()});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  trained.baseline = compare(options, trained, input, seconds.count(), interrupt.requested(), progress);
  return trained;
}

/// Names what keeps networks alive and has not been tried.
std::string advice_for_the_dead(const TrainCommand& options) {
  std::vector<std::string> ways;
  if (options.recipe.init != "lsuv") ways.push_back("--init lsuv");
  if (options.model.is_squeezenet() && !options.model.conv10_bias) ways.push_back("--conv10-bias 1");
  if (options.model.is_squeezenet() && options.model.norm == "none") ways.push_back("--norm batch");
  if (options.recipe.warmup == 0 && options.recipe.schedule != "onecycle") ways.push_back("--warmup 100");
  if (options.recipe.clip_norm == 0) ways.push_back("--clip-norm 1");
  ways.push_back(fmt::format("a smaller --lr than {}", *options.recipe.lr));
  return fmt::format("Try {}.{}", fmt::join(ways, ", or "),
                     options.preset == "photos" ? "" : " --preset photos has what keeps it alive.");
}

}  // namespace

Trained train_run(TrainCommand& options, const Settings& settings, TerminalProgress& progress) {
  check_effects(options, settings);
  check_holds_no_run(options);
  try {
    return fit(options, settings, progress);
  } catch (const DivergedError& error) {
    throw Error(fmt::format("{}\n  A smaller --lr, or --clip-norm 1, may help.", error.what()));
  } catch (const DeadNetworkError& error) {
    throw Error(fmt::format("{}\n  {}", error.what(), advice_for_the_dead(options)));
  }
}

}  // namespace kindling::cli
