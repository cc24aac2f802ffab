// kindling train: trains a model into a run folder.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/class_report.h>
#include <kindling/cli/interrupt.h>
#include <kindling/cli/mistakes.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/train_run.h>
#include <kindling/train/printable.h>
#include <kindling/train/terminal_progress.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

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

int run(TrainCommand& options, Settings& settings) {
  apply_layers(options, settings);
  options.everywhere.use_threads();
  TerminalProgress progress(options.everywhere.quiet);
  const Trained trained = train_run(options, settings, progress);
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
