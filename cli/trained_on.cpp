#include <kindling/cli/trained_on.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/data/files.h>
#include <kindling/data/folder.h>
#include <kindling/interop/weights.h>

namespace kindling::cli {
namespace {

std::string kind_of(const std::string& spec) { return spec.substr(0, spec.find(':')); }

}  // namespace

TrainedOn describe_data(const std::string& spec, const data::OpenOptions& options, const data::Dataset& train) {
  const nlohmann::json about = train.about();
  if (about.is_null()) return {.kind = kind_of(spec), .seed = options.seed, .folder = {}};
  return data::trained_on_from(about);
}

namespace {

std::optional<TrainedOn> trained_on_in(const std::string& checkpoint, const Description& description) {
  const std::string& text = description.data;
  const nlohmann::json about = text.empty() ? nlohmann::json() : nlohmann::json::parse(text);
  if (!about.contains("kind")) return std::nullopt;
  try {
    return data::trained_on_from(about);
  } catch (const Error& error) {
    throw FileError(checkpoint + ": what it says of the data that it was trained on " + error.what());
  }
}

}  // namespace

std::optional<TrainedOn> read_trained_on(const WeightsFile& checkpoint) {
  return checkpoint.known ? trained_on_in(checkpoint.file.path, checkpoint.known->description) : std::nullopt;
}
std::optional<TrainedOn> read_trained_on(const std::string& checkpoint) {
  return trained_on_in(checkpoint, read_description(checkpoint));
}

std::string difference(const TrainedOn& before, const TrainedOn& now) {
  if (before.kind != now.kind) return fmt::format("it is {}, the run began with {}", now.kind, before.kind);
  return before.folder && now.folder ? data::difference(*before.folder, *now.folder) : "";
}

EvalChoice choose_for_eval(const std::string& spec, data::OpenOptions options,
                           const std::optional<TrainedOn>& trained_on) {
  const std::optional<std::string> path = data::path_of_folder(spec);
  if (!path || !trained_on || !trained_on->folder) return {data::open_for_eval(spec, options)};
  const data::FolderRecord& record = *trained_on->folder;
  if (!options.labels.empty() && data::read_labels(options.labels) != record.classes)
    return {.set = data::open_for_eval(spec, options),
            .note = options.labels + " names other classes than training had, or in another order"};
  data::HeldOut held_out = data::held_out_of(*path, record, options.decode);
  if (held_out.set.images) return {.set = held_out.set, .by_record = true};
  const std::string note =
      fmt::format("{} is not the folder of the training as it was then: {}", *path, held_out.difference);
  if (!options.labels.empty()) return {.set = data::open_for_eval(spec, options), .note = note};
  try {
    options.classes = record.classes;
    return {.set = data::open_for_eval(spec, options), .note = note};
  } catch (const FileError&) {  // it has other classes
    options.classes = {};
    return {.set = data::open_for_eval(spec, options), .note = note};
  }
}

void check_not_moved(const std::string& spec) {
  const std::optional<std::string> path = data::path_of_folder(spec);
  if (path && !data::is_folder(*path))
    throw FileError(*path + ": there is no such folder; if it has moved, say where it is by --data folder:PATH");
}

}  // namespace kindling::cli
