#include <kindling/train/description.h>

#include <nlohmann/json.hpp>

#include <kindling/data/open.h>
#include <kindling/io/weights.h>
#include <kindling/models/definition.h>
#include <kindling/train/trainer.h>

namespace kindling {
namespace {

using Json = nlohmann::json;

constexpr char kKey[] = "description";

/// The side of the first pictures of a data set if they are squares of one size, else 0. Nothing if
/// the samples are no pictures.
std::optional<int64_t> picture_size(const data::Dataset& dataset) {
  try {
    const data::InputInfo info = data::describe_inputs(dataset);
    if (info.dtype != DType::u8) return std::nullopt;
    return info.is_square() ? info.size->h : 0;
  } catch (const ShapeError&) {  // no pictures
  } catch (const FileError&) {   // all are damaged: the loader will name them
  }
  return std::nullopt;
}

/// As a checkpoint tells it.
std::optional<data::Preprocessing> preprocessing_of(const TrainerOptions& how, const data::Dataset& train) {
  if (!how.preprocessing && how.eval_transform) return std::nullopt;
  data::Preprocessing result = how.preprocessing.value_or(data::Preprocessing{});
  static_cast<void>(data::preprocess(result));  // throws if it makes no sense, also where own transforms are used
  if (result.size > 0) return result;
  const std::optional<int64_t> size = picture_size(train);
  if (size) result.size = *size;
  return size || how.preprocessing ? std::optional(result) : std::nullopt;
}

data::Preprocessing preprocessing_from(const Json& json) {
  data::Preprocessing result{.size = json.at("size").get<int64_t>(),
                             .shorter = json.at("shorter").get<int64_t>(),
                             .mean = json.at("mean").get<std::vector<double>>(),
                             .std = json.at("std").get<std::vector<double>>()};
  static_cast<void>(data::preprocess(result));  // throws if it makes no sense
  return result;
}

Description from_json(const Json& json) {
  Description result;
  if (const Json& model = json.at("model"); !model.is_null())
    result.model = {model.at("name").get<std::string>(), model.at("options").get<std::map<std::string, std::string>>()};
  result.classes = json.at("classes").get<std::vector<std::string>>();
  if (const Json& p = json.at("preprocessing"); !p.is_null()) result.preprocessing = preprocessing_from(p);
  if (const Json& data = json.at("data"); !data.is_null()) result.data = data.dump();
  return result;
}

/// Throws Error if a text in it is not UTF-8.
std::string dump(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::exception&) {
    throw Error("a name of a class, or another text in the description of a checkpoint, is not UTF-8");
  }
}

/// What the caller says of the data, or the data themselves; empty: nothing.
std::string about(const data::Dataset& train, const FitOptions& options) {
  if (!options.about_data.empty()) return options.about_data;
  const Json about = train.about();
  return about.is_null() ? "" : dump(about);
}

}  // namespace

Description describe(const Module& model, const data::Dataset& train, const TrainerOptions& how,
                     const FitOptions& options) {
  return {.model = model.definition(),
          .classes = train.classes(),
          .preprocessing = preprocessing_of(how, train),
          .data = about(train, options)};
}

nlohmann::ordered_json to_json(const data::Preprocessing& p) {
  return {{"size", p.size}, {"shorter", p.shorter}, {"mean", p.mean}, {"std", p.std}};
}

Metadata to_metadata(const Description& description) {
  const Definition& model = description.model;
  const auto& preprocessing = description.preprocessing;
  const Json json{{"model", model.model.empty() ? Json() : Json{{"name", model.model}, {"options", model.options}}},
                  {"classes", description.classes},
                  {"preprocessing", preprocessing ? Json(to_json(*preprocessing)) : Json()},
                  {"data", description.data.empty() ? Json() : Json::parse(description.data)}};
  return {{kKey, dump(json)}};
}

Description read_description(const SafetensorsFile& file) {
  const auto entry = file.metadata().find(kKey);
  if (entry == file.metadata().end()) return {};
  try {
    return from_json(Json::parse(entry->second));
  } catch (const std::exception& error) {
    throw FileError(file.path() + ": its description cannot be read: " + error.what());
  }
}

Description read_description(const std::string& path) { return read_description(SafetensorsFile(path)); }

std::unique_ptr<Module> load_model(const std::string& path) { return load_model(SafetensorsFile(path)); }

std::unique_ptr<Module> load_model(const SafetensorsFile& file) {
  const std::string& path = file.path();
  const Definition definition = read_description(file).model;
  if (definition.model.empty())
    throw FileError(path + ": does not say what model it holds: make the model yourself and load() it");
  std::unique_ptr<Module> model;
  try {
    Rng rng(0);
    model = make_model(definition, rng);
  } catch (const Error& error) {
    throw FileError(path + ": describes a model that cannot be made here: " + error.what());
  }
  load(*model, file);
  model->eval();
  return model;
}

}  // namespace kindling
