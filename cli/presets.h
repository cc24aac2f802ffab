// Named sets of option values for `train`.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace kindling::cli {

struct Preset {
  std::string name, summary;
  nlohmann::json values;  ///< by key, as in config.json
};

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
/// `name` is one of preset_names().
const Preset& find_preset(const std::string& name);

}  // namespace kindling::cli
