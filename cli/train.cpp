// kindling train: trains a model into a run folder.
#include <chrono>
#include <ctime>
#include <filesystem>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/blas_core.h>
#include <kindling/cli/class_report.h>
#include <kindling/cli/interrupt.h>
#include <kindling/cli/mistakes.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/train_options.h>
#include <kindling/cli/trained_on.h>
#include <kindling/cli/training.h>
#include <kindling/nn/freeze.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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
  text +=
      fmt::format("\n{}, {}; run folder {}", counted(num_threads(), "thread"), name_of(isa()), printable(options.out));
  const std::string advice = blas_advice();
  return advice.empty() ? text : text + "\nnote: " + advice;
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

/// What a call of `train` has come to.
struct Trained {
  TrainResult result = {};
  data::Splits data = {};
  std::optional<Baseline> baseline = {};

  /// What is reported of fine-tuning, test/ or else what was held out: its images, and how it went.
  const data::DatasetPtr& measured() const { return data.test ? data.test : data.val; }
  const std::optional<Evaluation>& evaluation() const { return data.test ? result.test : result.validation; }
};

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
  Trained trained{.data = data::open_dataset(options.data.data, how)};
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
                                          .config = config_of(settings, facts),
                                          .about_data = data::to_json(now).dump(),
                                          .tensorboard = options.tensorboard,
                                          .histograms_every = options.histograms_every,
                                          .listener = &progress,
                                          .stop = interrupt.requested()});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  trained.baseline = compare(options, trained, input, seconds.count(), interrupt.requested(), progress);
  return trained;
}

/// Loss and accuracies, null where there are none. Their keys begin with `part`.
void add_evaluation(Json& document, const std::string& part, const std::optional<Evaluation>& evaluation) {
  document[part + "_loss"] = evaluation ? Json(evaluation->loss) : Json();
  document[part + "_top1"] = evaluation ? or_null(evaluation->top1) : Json();
  document[part + "_top5"] = evaluation ? or_null(evaluation->top5) : Json();
}

Json to_json(const TrainResult& result) {
  constexpr const char* kEnds[] = {"finished", "early_stopped", "stopped"};
  Json document{{"run", result.run},
                {"end", kEnds[static_cast<int>(result.end)]},
                {"epochs", result.epochs},
                {"steps", result.steps},
                {"train_loss", result.epochs > 0 ? Json(result.train_loss) : Json()}};
  add_evaluation(document, "val", result.validation);
  document["best_epoch"] = result.best_epoch;
  document["best_val_top1"] = or_null(result.best);
  add_evaluation(document, "test", result.test);
  document["images_per_second"] = result.images_per_second;
  document["peak_rss_mb"] = result.peak_rss_mb;
  return document;
}

/// Says how to measure the model on data that it was not trained on.
std::string advice(const TrainCommand& options, const TrainResult& result) {
  const std::string command = "kindling eval --weights " + shell_word(result.run + "/best.ckpt") + " --data ";
  const std::string spec = shell_word(options.data.data);
  if (result.validation) return "measure with: " + command + spec;
  const std::string nothing = "nothing was held out, so best.ckpt is the last epoch's; ";
  if (result.test) return nothing + "measure on the test part with: " + command + spec;
  return nothing + "measure on other images with: " + command + "folder:PATH";
}

/// Of fine-tuning: which classes are taken for which, and by which files.
void add_mistakes(Json& document, const Trained& trained) {
  const std::optional<Evaluation>& evaluation = trained.evaluation();
  const bool known = evaluation && evaluation->confusion;
  document["confusion"] = Json();
  document["mistakes"] = known ? mistakes_json(evaluation->mistakes, *trained.measured()) : Json();
  if (known) document["confusion"] = ClassReport(*evaluation->confusion, trained.measured()->classes()).matrix();
  if (const auto& baseline = trained.baseline)
    document["baseline"] = {
        {"top1", or_null(baseline->top1)}, {"epochs", baseline->epochs}, {"seconds", baseline->seconds}};
}

void print_mistakes(const Trained& trained) {
  const Style style(1);
  const std::optional<Evaluation>& evaluation = trained.evaluation();
  if (!evaluation || !evaluation->confusion) return;
  const ClassReport report(*evaluation->confusion, trained.measured()->classes());
  print("\n{}\n{}", report.matrix_text(style), mistakes_text(evaluation->mistakes, *trained.measured(), style));
  if (const auto& baseline = trained.baseline)
    print("\nfrom scratch, {} in {}: top-1 {}; fine-tuned {}\n", counted(baseline->epochs, "epoch"),
          duration(baseline->seconds), percent(baseline->top1), style.bold(percent(evaluation->top1)));
}

std::string top5_of(const Evaluation& evaluation) {
  return evaluation.top5 ? ", top-5 " + percent(evaluation.top5) : "";
}

void print_result(const TrainCommand& options, const TrainResult& result) {
  const Style style(1);
  const auto &validation = result.validation, &test = result.test;
  if (result.end == TrainEnd::early_stopped) print("stopped early: no better epoch since {}\n", result.best_epoch);
  if (validation && validation->top1 && result.best)
    print("best.ckpt  epoch {}: validation top-1 {}\n", result.best_epoch, style.bold(percent(result.best)));
  if (validation && validation->top1)
    print("last.ckpt  epoch {}: validation top-1 {}{}\n", result.epochs, percent(validation->top1),
          top5_of(*validation));
  if (test && test->top1) print("           on test/: top-1 {}{}\n", style.bold(percent(test->top1)), top5_of(*test));
  if (result.images_per_second > 0)
    print("{:.0f} images/s, at most {:.0f} MB of memory\n", result.images_per_second, result.peak_rss_mb);
  print("curves are in {}/curves.svg\n{}\n", printable(result.run), printable(advice(options, result)));
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

int run(TrainCommand& options, Settings& settings) {
  apply_layers(options, settings);
  check_effects(options, settings);
  check_holds_no_run(options);
  options.everywhere.use_threads();
  TerminalProgress progress(options.everywhere.quiet);
  Trained trained;
  try {
    trained = fit(options, settings, progress);
  } catch (const DivergedError& error) {
    throw Error(fmt::format("{}\n  A smaller --lr, or --clip-norm 1, may help.", error.what()));
  } catch (const DeadNetworkError& error) {
    throw Error(fmt::format("{}\n  {}", error.what(), advice_for_the_dead(options)));
  }
  progress.finish();
  const TrainResult& result = trained.result;
  const bool stopped = result.end == TrainEnd::stopped;
  if (options.everywhere.json) {
    Json document = to_json(result);
    if (is_finetuning(options)) add_mistakes(document, trained);
    print_json(document);
  } else if (!stopped) {
    print_result(options, result);
    if (is_finetuning(options)) print_mistakes(trained);
  }
  if (stopped)
    say(fmt::format("stopped after step {}; go on with: kindling train --resume {}\n", result.steps,
                    printable(shell_word(result.run))));
  return stopped ? Interrupt::exit_code() : kDone;
}

}  // namespace

void add_train(Program& program) {
  program.add<TrainCommand>(program.root(), "train",
                            "Trains a model into a run folder; without options, on drawn figures",
                            "kindling train\n"
                            "kindling train --data folder:photos --out runs/photos\n"
                            "kindling train --data folder:photos --model squeezenet1_1 --bypass simple\n"
                            "kindling train --preset cifar --bypass complex --data folder:CIFAR\n"
                            "kindling train --preset finetune --weights net.pth --data folder:photos\n"
                            "kindling train --resume runs/photos",
                            declare, run);
}

}  // namespace kindling::cli
