#include <kindling/interop/weights.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/caffe.h>
#include <kindling/models/definition.h>
#include <kindling/models/filters.h>
#include <kindling/nn/factored.h>

namespace kindling {
namespace {

std::string notes_path(const std::string& path) { return path + ".json"; }

/// The file, with the notes that lie beside it.
TensorFile read_with_notes(const std::string& path, const std::string& prototxt = "") {
  TensorFile file = prototxt.empty() ? read_tensor_file(path)
                                     : to_tensor_file(arranged_as(read_prototxt(prototxt), read_caffemodel(path)));
  const std::string beside = notes_path(path);
  if (holds_notes(format_of_name(path)) || !std::filesystem::is_regular_file(beside)) return file;
  try {
    file.metadata.merge(nlohmann::json::parse(read_file(beside)).get<Metadata>());
  } catch (const nlohmann::json::exception& error) {
    throw FileError(beside + ": is no list of notes on " + path + ": " + error.what());
  }
  return file;
}

Naming usual_naming(FileFormat format) {
  if (format == FileFormat::pytorch) return Naming::torchvision;
  return format == FileFormat::caffe ? Naming::caffe : Naming::kindling;
}

}  // namespace

WeightsFile::WeightsFile(const std::string& path, const std::string& prototxt)
    : file(read_with_notes(path, prototxt)), known(recognise(file)) {}

LoadReport load(Module& model, const std::string& path, const LoadOptions& options) {
  return load(model, WeightsFile(path), options);
}

LoadReport load(Module& model, const WeightsFile& weights, const LoadOptions& options) {
  if (!weights.known) return load(model, weights.file, options);
  const std::string& own = model.definition().model;
  const std::string& name = own.empty() ? weights.known->description.model.model : own;
  return load(model, translated(weights.file, model, name, weights.known->naming), options);
}

Description read_description(const std::string& path) { return read_description(read_with_notes(path).metadata, path); }

void shrink_as_in(Module& model, const WeightsFile& weights) {
  if (!weights.known) return;
  const Definition& definition = weights.known->description.model;
  const auto filters = definition.options.find(kFiltersOption);
  try {
    if (filters != definition.options.end() && !model.definition().options.contains(kFiltersOption))
      keep_first_filters(model, parse_filters(filters->second));
    factor_as_in(model, [&](const std::string& tensor) {
      return shape_in(weights.file, definition.model, tensor, weights.known->naming);
    });
  } catch (const Error& error) {
    throw FileError(weights.file.path + ": holds a smaller model that cannot be made here: " + error.what());
  }
}

std::unique_ptr<Module> load_model(const std::string& path) { return load_model(WeightsFile(path)); }

std::unique_ptr<Module> load_model(const WeightsFile& weights) {
  const std::string& path = weights.file.path;
  if (!weights.known)
    throw FileError(path +
                    ": does not say what model it holds, and no model that is known has such tensors: "
                    "make the model yourself and load() it");
  if (!weights.known->open.empty())
    throw FileError(path + ": its tensors fit several models (" + describe(weights.known->open) +
                    "): make the right one yourself and load() it");
  std::unique_ptr<Module> model;
  try {
    Rng rng(0);
    model = make_model(weights.known->description.model, rng);
  } catch (const Error& error) {
    throw FileError(path + ": describes a model that cannot be made here: " + error.what());
  }
  shrink_as_in(*model, weights);
  load(*model, weights);
  model->eval();
  return model;
}

void save(Module& model, const std::string& path, std::optional<Naming> naming) {
  save(model, path, {.model = model.definition()}, naming);
}

void save(Module& model, const std::string& path, const Description& description, std::optional<Naming> naming) {
  const FileFormat format = format_of_name(path);
  const std::vector<NamedTensor> tensors =
      foreign_tensors(model, model.definition().model, naming.value_or(usual_naming(format)));
  const Metadata notes = description.model.model.empty() ? Metadata{} : to_metadata(description);
  write_tensor_file(path, format, tensors, notes);
  if (!holds_notes(format) && !notes.empty()) write_file(notes_path(path), nlohmann::json(notes).dump(2) + "\n");
}

}  // namespace kindling
