// kindling eval: accuracy of a checkpoint or weights on a data set.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/class_report.h>
#include <kindling/cli/interrupt.h>
#include <kindling/cli/mistakes.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/trained_on.h>
#include <kindling/data/open.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EvalCommand {
  Everywhere everywhere;
  ModelChoice model;
  DataChoice data;
  Images images;
  int64_t batch_size = 64;
  bool confusion = false;
  int64_t mistakes = 0;
};

void declare(EvalCommand& options, Settings& settings) {
  options.model.declare(settings);
  options.data.declare(settings);
  options.images.declare(settings);
  settings.add("batch-size", options.batch_size, "N", "Images per batch")->check(at_least(1));
  settings.add_switch("confusion", options.confusion, "Show which classes are taken for which");
  settings.add("mistakes", options.mistakes, "N", "Name the N most certain mistakes; 0: none")->check(at_least(0));
}

void complete(EvalCommand& options, const data::Dataset& dataset, const data::InputInfo& input,
              const std::optional<RunFacts>& facts) {
  const RunFacts of_data{.channels = input.channels, .class_names = dataset.classes()};
  if (facts) facts->check_same(of_data, options.data.data);
  options.model.complete(static_cast<int64_t>(of_data.class_names.size()), input);
  options.images.complete(input.channels);
}

Evaluation evaluate_with_progress(const EvalCommand& options, Module& model, const data::DatasetPtr& dataset,
                                  const data::InputInfo& input) {
  StatusLine status(options.everywhere.quiet);
  const Interrupt interrupt;
  Evaluation result = evaluate(model, dataset,
                               {.batch_size = options.batch_size,
                                .transform = data::preprocess(options.images.preprocessing(options.model.size, input)),
                                .reading = options.data.reading,
                                .mistakes = options.mistakes,
                                .progress =
                                    [&](int64_t done, int64_t total) {
                                      status.show("eval", static_cast<double>(done) / static_cast<double>(total),
                                                  with_commas(done) + " images");
                                    },
                                .stop = interrupt.requested()});
  for (const std::string& note : dataset->notes()) status.warn("note: " + printable(note));
  for (const std::string& message : result.skipped) status.warn("note: skipped: " + printable(message));
  return result;
}

void print_result(const EvalCommand& options, const data::EvalSet& measured, const Evaluation& result) {
  const Style style(1);
  print("{} images of {} ({}): top-1 {}{}, loss {:.4f}\n{:.0f} images/s\n", with_commas(result.samples),
        printable(options.data.data), printable(measured.part), style.bold(percent(result.top1)),
        result.top5 ? ", top-5 " + percent(result.top5) : "", result.loss, result.images_per_second);
  if (!result.confusion) return;
  const ClassReport report(*result.confusion, measured.images->classes());
  print("\n{}", report.classes_text(style));
  if (options.confusion) print("\n{}", report.matrix_text(style));
  if (!result.mistakes.empty()) print("\n{}", mistakes_text(result.mistakes, *measured.images, style));
}

Json to_json(const EvalCommand& options, const data::EvalSet& measured, const Evaluation& result) {
  Json document{{"images", result.samples},
                {"measured", measured.part},
                {"top1", or_null(result.top1)},
                {"top5", or_null(result.top5)},
                {"loss", result.loss},
                {"images_per_second", result.images_per_second},
                {"classes", Json()},
                {"skipped", result.skipped}};
  if (!result.confusion) return document;
  const ClassReport report(*result.confusion, measured.images->classes());
  document["classes"] = report.classes();
  if (options.confusion) document["confusion"] = report.matrix();
  if (options.mistakes > 0) document["mistakes"] = mistakes_json(result.mistakes, *measured.images);
  return document;
}

/// Whether a share of `spec` is held out, because it has no part to measure on.
bool holds_out(const std::string& spec) {
  return data::has_part(spec, "train") && !data::has_part(spec, "val") && !data::has_part(spec, "test");
}

/// Throws UsageError if neither the command line nor the run of the checkpoint names the data.
void require_data(const EvalCommand& options, const Settings& settings, const std::optional<TrainedOn>& trained_on) {
  if (settings.is_set("data") || (trained_on && trained_on->kind == options.data.data)) return;
  const std::string& file = options.model.weights;
  if (!trained_on)
    throw UsageError(
        fmt::format("--data SPEC is needed, as --data folder:PATH: {} does not say what it was trained on, and lies in "
                    "no run folder that does",
                    file));
  throw UsageError(
      fmt::format("--data SPEC is needed: {} was trained on {}:PATH and lies in no run folder that says where that is",
                  file, trained_on->kind));
}

/// Takes what the command line does not name from the run of the checkpoint.
data::EvalSet choose_images(EvalCommand& options, Settings& settings, bool names_data, bool names_labels) {
  const std::optional<TrainedOn> trained_on = read_trained_on(options.model.file());
  require_data(options, settings, trained_on);
  if (trained_on) {
    settings.apply({{"seed", trained_on->seed}}, options.model.weights, Layer::run);
    if (!names_labels) options.data.labels.clear();
  }
  if (!names_data) check_not_moved(options.data.data);
  settings.check_effects(options.data.effects());
  const uint64_t seed = options.everywhere.seed;
  const std::optional<double> share = options.data.val_share;
  EvalChoice choice = choose_for_eval(options.data.data, options.data.open_options(seed), trained_on);
  if (choice.by_record) {
    const data::FolderRecord& record = *trained_on->folder;
    const std::string why =
        fmt::format("on the folder that {} was trained on: it says what training held out", options.model.weights);
    settings.check_effects({{"val-share", share == record.val_share, why}, {"seed", seed == record.seed, why}});
  } else {
    const std::string why = fmt::format("with --data {}: measured is {}", options.data.data, choice.set.part);
    const bool splits = holds_out(options.data.data), draws = options.data.data == "shapes";
    settings.check_effects({{"val-share", splits, why}, {"seed", splits || draws, why}});
  }
  if (!choice.note.empty()) say(fmt::format("note: {}; measured: {}\n", printable(choice.note), choice.set.part));
  return choice.set;
}

int run(EvalCommand& options, Settings& settings) {
  if (options.model.weights.empty()) throw UsageError("--weights FILE is needed: the checkpoint or weights to measure");
  const bool names_data = settings.is_set("data"), names_labels = settings.is_set("labels");  // not by the run
  options.images.apply_preprocess(settings);
  const std::optional<RunFacts> facts = apply_run_of(options.model, settings);
  options.model.require_model(settings);
  if (facts) options.images.take(options.model.weights, facts->preprocessing, facts->pixels_are_guessed);
  const data::EvalSet measured = choose_images(options, settings, names_data, names_labels);
  const data::InputInfo input = data::describe_inputs(*measured.images);
  complete(options, *measured.images, input, facts);

  Rng rng(options.everywhere.seed);
  const std::unique_ptr<Module> model = options.model.load(rng, input.channels);
  const Evaluation result = evaluate_with_progress(options, *model, measured.images, input);
  if (options.everywhere.json)
    print_json(to_json(options, measured, result));
  else
    print_result(options, measured, result);
  return kDone;
}

}  // namespace

void add_eval(Program& program) {
  program.add<EvalCommand>(program.root(), "eval", "Accuracy of a checkpoint or weights on a data set",
                           "kindling eval --weights runs/photos/best.ckpt --confusion\n"
                           "kindling eval --weights runs/photos/best.ckpt --data folder:photos\n"
                           "kindling eval --weights my.safetensors --model lenet --data folder:photos",
                           declare, run);
}

}  // namespace kindling::cli
