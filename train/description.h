// What a checkpoint says of itself, so that it needs nothing beside it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

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
  nlohmann::json data = {};                               ///< FitOptions::about_data, or Dataset::about()
  /// Whether all is there that is needed to name what is on a picture.
  bool is_complete() const { return !model.model.empty() && preprocessing.has_value(); }
};

/// That of a training run. The pictures' size, where the options leave it open, is that of the first ones of `train`.
Description describe(const Module& model, const data::Dataset& train, const TrainerOptions& how,
                     const FitOptions& options);

/// An object with an entry of the same name for every member.
nlohmann::ordered_json to_json(const data::Preprocessing& preprocessing);

/// One entry, "description": JSON. Throws Error if a text in it is not UTF-8.
Metadata to_metadata(const Description& description);

/// The description in a file; an empty one if it has none (weights, and checkpoints of version 1). Throws FileError if
/// it is not what to_metadata() writes.
Description read_description(const SafetensorsFile& file);
Description read_description(const std::string& path);

/// The model that the file describes, with its weights, in evaluation mode. Throws FileError, saying what is missing,
/// if the file does not describe one, and as load() does.
std::unique_ptr<Module> load_model(const SafetensorsFile& file);
std::unique_ptr<Module> load_model(const std::string& path);

}  // namespace kindling
