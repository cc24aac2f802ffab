// Named sets of option values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/cli/settings.h>

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

/// Those of `train`.
const std::vector<Preset>& presets();
/// Adds the option --preset, whose help shows them all.
void add_preset(Settings& settings, std::string& variable, const std::vector<Preset>& presets);
/// `name` is that of one of them.
const Preset& find_preset(const std::string& name, const std::vector<Preset>& presets = cli::presets());

}  // namespace kindling::cli
