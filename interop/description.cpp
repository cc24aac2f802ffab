#include <kindling/interop/description.h>

#include <nlohmann/json.hpp>

namespace kindling {
namespace {

using Json = nlohmann::json;

constexpr char kKey[] = "description";

data::Preprocessing preprocessing_from(const Json& json) {
  data::Preprocessing result{.size = json.at("size").get<int64_t>(),
                             .shorter = json.at("shorter").get<int64_t>(),
                             .mean = json.at("mean").get<std::vector<double>>(),
                             .std = json.at("std").get<std::vector<double>>(),
                             .whole = json.value("whole", false),
                             .bgr = json.value("bgr", false)};
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

}  // namespace

std::string to_text(const nlohmann::json& json) {
  try {
    return json.dump();
  } catch (const Json::exception&) {
    throw Error("a name of a class, or another text in the description of a checkpoint, is not UTF-8");
  }
}

data::Preprocessing imagenet_preprocessing(const std::string& form) {
  return form == "caffe" ? data::caffe_preprocessing() : data::torchvision_preprocessing();
}

nlohmann::ordered_json to_json(const data::Preprocessing& p) {
  nlohmann::ordered_json json{{"size", p.size}, {"shorter", p.shorter}, {"mean", p.mean}, {"std", p.std}};
  if (p.whole) json["whole"] = true;
  if (p.bgr) json["bgr"] = true;
  return json;
}

Metadata to_metadata(const Description& description) {
  const Definition& model = description.model;
  const auto& preprocessing = description.preprocessing;
  const Json json{{"model", model.model.empty() ? Json() : Json{{"name", model.model}, {"options", model.options}}},
                  {"classes", description.classes},
                  {"preprocessing", preprocessing ? Json(to_json(*preprocessing)) : Json()},
                  {"data", description.data.empty() ? Json() : Json::parse(description.data)}};
  return {{kKey, to_text(json)}};
}

Description read_description(const Metadata& metadata, const std::string& path) {
  const auto entry = metadata.find(kKey);
  if (entry == metadata.end()) return {};
  try {
    return from_json(Json::parse(entry->second));
  } catch (const std::exception& error) {
    throw FileError(path + ": its description cannot be read: " + error.what());
  }
}

}  // namespace kindling
