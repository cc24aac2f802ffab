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
  /// Values that belong to a choice of the preset. They are left out if the user makes that choice:
  /// {"optimizer", ...} lists the optimiser's learning rate and so on.
  std::vector<std::pair<std::string, std::vector<std::string>>> goes_with = {};

  /// All values as on the command line: "--bypass complex --drop-last ...".
  std::string words() const;
  /// The values that remain if the options `named` are given.
  nlohmann::json values_beside(const std::vector<std::string>& named) const;
};

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
/// `name` is one of preset_names().
const Preset& find_preset(const std::string& name);

}  // namespace kindling::cli
