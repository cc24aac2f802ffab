// Named sets of option values for `train`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace kindling::cli {

struct Preset {
  std::string name, summary;
  nlohmann::json values;  ///< by key, as in config.json
  /// What goes with a choice of the preset's, and is left out where the person makes that choice: {"optimizer", ...}
  /// says what the optimiser's learning rate and the like are.
  std::vector<std::pair<std::string, std::vector<std::string>>> goes_with = {};

  /// All of them as on the command line: "--bypass=complex --drop-last ...".
  std::string words() const;
  /// The values that are left beside the options that are `named`.
  nlohmann::json values_beside(const std::vector<std::string>& named) const;
};

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
/// `name` is one of preset_names().
const Preset& find_preset(const std::string& name);

}  // namespace kindling::cli
