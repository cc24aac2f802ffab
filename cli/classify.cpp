// kindling classify: names what is on photographs.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/interrupt.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/trained_on.h>
#include <kindling/data/folder.h>
#include <kindling/data/image.h>
#include <kindling/data/pictures.h>
#include <kindling/train/classifier.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ClassifyCommand {
  Everywhere everywhere;
  ModelChoice model;
  Images images;
  std::vector<std::string> files;
  std::string labels;
  int64_t top = 5, batch_size = 64;
};

void declare(ClassifyCommand& options, Settings& settings) {
  settings.group("Pictures");
  settings.add_words(options.files, "FILE",
                     "JPEG, PNG and BMP files, and folders, whose pictures are "
                     "read at any depth (not through links, nor hidden ones)");
  settings.group("Answers");
  settings.add("top", options.top, "N", "Names for each picture, the most probable first")->check(at_least(1));
  settings.add("labels", options.labels, "FILE", "Line i: folder name of class i, and what to call it");
  options.model.declare(settings);
  options.images.declare(settings);
  settings.add("batch-size", options.batch_size, "N", "Pictures between two lines of progress")->check(at_least(1));
}

/// What was asked for, in order, and what cannot be read, ready to be shown.
struct Wanted {
  std::vector<std::string> pictures = {}, skipped = {};
};

Wanted find_wanted(const std::vector<std::string>& files) {
  Wanted wanted;
  std::error_code ignored;
  for (const std::string& file : files)
    if (fs::is_directory(file, ignored)) {
      const data::FoundPictures found = data::find_pictures(file);
      wanted.pictures.insert(wanted.pictures.end(), found.files.begin(), found.files.end());
      wanted.skipped.insert(wanted.skipped.end(), found.notes.begin(), found.notes.end());
    } else {
      wanted.pictures.push_back(file);
    }
  return wanted;
}

/// Throws UsageError if a line of --labels names a class that the model has in another place.
void check_order(const std::string& labels, const std::vector<std::string>& named,
                 const std::vector<std::string>& known) {
  for (size_t i = 0; i < named.size(); ++i) {
    const auto place = std::find(known.begin(), known.end(), named[i]) - known.begin();
    if (place != std::ssize(known) && known[i] != named[i])
      throw UsageError(
          fmt::format("--labels {}: line {} names {}, which is class {} of the model: its classes are, in "
                      "their order, {}",
                      labels, i + 1, named[i], place + 1, fmt::join(known, ", ")));
  }
}

/// What to call the classes, by --labels or else by the checkpoint.
std::vector<std::string> class_names(const ClassifyCommand& options, const std::optional<RunFacts>& facts,
                                     int64_t classes) {
  const std::vector<std::string> known = facts ? facts->class_names : std::vector<std::string>();
  if (options.labels.empty()) return known;
  const data::ClassList list = data::read_labels(options.labels);
  if (const auto named = std::ssize(list.names); named != classes)
    throw UsageError(fmt::format("--labels {}: names {} classes, the model has {}", options.labels, named, classes));
  const std::optional<TrainedOn> trained_on = read_trained_on(options.model.file());
  const bool has_folders = trained_on && trained_on->folder;
  check_order(options.labels, list.folders, has_folders ? trained_on->folder->classes.folders : known);
  check_order(options.labels, list.names, known);
  return list.names;
}

/// The checkpoint's own description, with what the command line says otherwise.
Description describe(const ClassifyCommand& options, const Settings& settings, const std::optional<RunFacts>& facts) {
  const int64_t classes = options.model.classes > 0 ? options.model.classes : options.model.info().classes;
  Description description;
  description.preprocessing = options.images.preprocessing(options.model.input_size(), {});
  const bool as_they_are = facts && facts->preprocessing && facts->preprocessing->size == 0 && !settings.is_set("size");
  if (as_they_are) description.preprocessing->size = description.preprocessing->shorter = 0;
  description.classes = class_names(options, facts, classes);
  return description;
}

Classifier make_classifier(ClassifyCommand& options, Settings& settings) {
  options.images.apply_preprocess(settings);
  const std::optional<RunFacts> facts = apply_run_of(options.model, settings);
  if (!settings.is_named("labels")) options.labels.clear();  // the run's file may have moved, and the facts have them
  options.model.require_model(settings);
  if (facts) options.images.take(options.model.weights, facts->preprocessing, facts->pixels_are_guessed);
  if (facts && facts->self_described && !facts->preprocessing && !settings.is_set("size"))
    throw UsageError(
        options.model.weights +
        " does not say how a picture becomes an input: say it by --preprocess, or by --size, --mean and --std");
  const int64_t channels = facts && facts->channels > 0 ? facts->channels : options.model.info().channels;
  options.images.complete(channels);
  Rng rng(options.everywhere.seed);
  std::unique_ptr<Module> model = options.model.load(rng, channels);
  Description description = describe(options, settings, facts);
  description.model = model->definition();
  return Classifier(std::move(model), std::move(description));
}

struct Answer {
  std::string file;
  Predictions top;
};

/// Shows answers as they come.
class Reporter {
 public:
  explicit Reporter(const ClassifyCommand& options) : json_(options.everywhere.json) {}

  void add(const Answer& answer) {
    ++count_;
    if (!json_) return show(answer);
    Json top = Json::array();
    for (const auto& [index, label, probability] : answer.top)
      top.push_back({{"index", index}, {"label", label}, {"probability", probability}});
    results_.push_back({{"file", answer.file}, {"top", top}});
  }
  void finish(const std::vector<std::string>& skipped) const {
    if (json_) print_json({{"results", results_}, {"skipped", skipped}});
  }
  int64_t count() const { return count_; }

 private:
  /// A bar of 20 characters is a probability of 1.
  void show(const Answer& answer) const {
    constexpr int kBar = 20;
    size_t width = 0;
    for (const Prediction& prediction : answer.top) width = std::max(width, columns_of(printable(prediction.label)));
    print("{}\n", Style(1).bold(printable(answer.file)));
    for (const auto& [index, name, probability] : answer.top) {
      const std::string label = printable(name);
      const int filled = static_cast<int>(std::lround(probability * kBar));
      print("  {}{:{}}  {:5.1f} %  {:#<{}}\n", label, "", width - columns_of(label), 100 * probability, "", filled);
    }
  }
  /// Characters of UTF-8: bytes that do not go on from another.
  static size_t columns_of(const std::string& text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  bool json_;
  int64_t count_ = 0;
  Json results_ = Json::array();
};

void classify(const ClassifyCommand& options, const Classifier& classifier, const Wanted& wanted, Reporter& reporter,
              std::vector<std::string>& skipped) {
  const auto total = static_cast<int64_t>(wanted.pictures.size());
  StatusLine status(options.everywhere.quiet);
  const Interrupt interrupt;
  for (int64_t begin = 0; begin < total; begin += options.batch_size) {
    if (interrupt.requested()->load()) throw Stopped();
    const int64_t end = std::min(begin + options.batch_size, total);
    const std::vector<std::string> files(wanted.pictures.begin() + begin, wanted.pictures.begin() + end);
    const std::vector<FileAnswer> answers = classifier.classify_files(files, options.top);
    status.clear();
    for (size_t i = 0; i < files.size(); ++i) {
      if (answers[i].error.empty()) {
        reporter.add({files[i], answers[i].top});
        continue;
      }
      status.warn("note: skipped: " + printable(answers[i].error));
      skipped.push_back(answers[i].error);
    }
    if (!flush_output()) break;
    if (end < total)
      status.show("classify", static_cast<double>(end) / static_cast<double>(total), with_commas(end) + " pictures");
  }
  status.clear();
}

int run(ClassifyCommand& options, Settings& settings) {
  if (options.files.empty()) throw UsageError("which pictures? Name files or folders");
  if (options.model.weights.empty()) throw UsageError("--weights FILE is needed: the checkpoint of a trained model");
  const Classifier classifier = make_classifier(options, settings);
  const Wanted wanted = find_wanted(options.files);
  std::vector<std::string> skipped = wanted.skipped;
  for (const std::string& message : skipped) say("note: skipped: " + printable(message) + "\n");
  Reporter reporter(options);
  classify(options, classifier, wanted, reporter, skipped);
  reporter.finish(skipped);
  if (reporter.count() == 0)
    throw Error("no picture could be read: name JPEG, PNG or BMP files that are whole, or folders that hold some");
  return kDone;
}

}  // namespace

void add_classify(Program& program) {
  program.add<ClassifyCommand>(program.root(), "classify", "Names what is on photographs",
                               "kindling classify photo.jpg --weights runs/photos/best.ckpt\n"
                               "kindling classify holidays more/*.png --weights runs/photos/best.ckpt --json",
                               declare, run);
}

}  // namespace kindling::cli
