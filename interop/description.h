// What a file of weights says of itself, so that it needs nothing beside it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <kindling/data/preprocessing.h>
#include <kindling/io/safetensors.h>
#include <kindling/nn/module.h>

namespace kindling {

struct Description {
  Definition model = {};                                  ///< empty of a module that nobody can make by name
  std::vector<std::string> classes = {};                  ///< names, in the order of the outputs; empty: not known
  std::optional<data::Preprocessing> preprocessing = {};  ///< nothing: not known
  std::string data = {};                                  ///< JSON: FitOptions::about_data, or Dataset::about()
  /// Whether it has all that is needed to name what is on a picture.
  bool is_complete() const { return !model.model.empty() && preprocessing.has_value(); }
};

/// That of the ImageNet models of `form`, "torchvision" or "caffe" (form_words()).
data::Preprocessing imagenet_preprocessing(const std::string& form);

/// A JSON object with one entry for each member; `whole` and `bgr` only where they are true.
nlohmann::ordered_json to_json(const data::Preprocessing& preprocessing);

/// The text of a JSON value. Throws Error if a text in it is not UTF-8.
std::string to_text(const nlohmann::json& json);

/// One entry, "description", of JSON. Throws Error if a text in it is not UTF-8.
Metadata to_metadata(const Description& description);

/// The description among a file's notes. It is empty if there is none (weights, and checkpoints of
/// version 1). Throws FileError, naming `path`, if the entry is not what to_metadata() writes.
Description read_description(const Metadata& metadata, const std::string& path);

}  // namespace kindling
