// What a checkpoint says of itself, so that it needs nothing beside it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/data/dataset.h>
#include <kindling/data/preprocessing.h>
#include <kindling/io/safetensors.h>
#include <kindling/nn/module.h>

namespace kindling {

struct TrainerOptions;
struct FitOptions;

struct Description {
  Definition model = {};                                  ///< empty of a module that nobody can make by name
  std::vector<std::string> classes = {};                  ///< names, in the order of the outputs; empty: not known
  std::optional<data::Preprocessing> preprocessing = {};  ///< nothing: not known
  std::string data = {};                                  ///< JSON: FitOptions::about_data, or Dataset::about()
  /// Whether it has all that is needed to name what is on a picture.
  bool is_complete() const { return !model.model.empty() && preprocessing.has_value(); }
};

/// The description of a training run. If the options leave the size open, it is that of the first
/// pictures of `train`.
Description describe(const Module& model, const data::Dataset& train, const TrainerOptions& how,
                     const FitOptions& options);

/// A JSON object with one entry for each member.
nlohmann::ordered_json to_json(const data::Preprocessing& preprocessing);

/// One entry, "description", of JSON. Throws Error if a text in it is not UTF-8.
Metadata to_metadata(const Description& description);

/// The description in a file. It is empty if the file has none (weights, and checkpoints of version
/// 1). Throws FileError if the entry is not what to_metadata() writes.
Description read_description(const SafetensorsFile& file);
Description read_description(const std::string& path);

/// The model that the file describes, with its weights, in evaluation mode. Throws FileError if the
/// file does not describe a model, with what is missing, and as load() does.
std::unique_ptr<Module> load_model(const SafetensorsFile& file);
std::unique_ptr<Module> load_model(const std::string& path);

}  // namespace kindling
