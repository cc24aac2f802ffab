// The options of kindling train: what they are, and where what nobody has named comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <kindling/cli/options.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/settings.h>

namespace kindling::cli {

struct TrainCommand {
  Everywhere everywhere;
  ModelChoice model;
  DataChoice data;
  Images images;
  Recipe recipe;
  std::string preset, config, out, resume;
  int64_t checkpoint_every = 0, log_every = 100, patience = 0, histograms_every = 0;
  bool tensorboard = false;
  bool baseline = false;                                   ///< train from scratch too, to compare
  std::optional<RunFacts> resumed;                         ///< of the run that goes on
  bool moved = false;                                      ///< its data, as the command line says
  bool chooses_model = false, chooses_batch_size = false;  ///< as neither the person nor the preset has named one
};

/// Whether it is fine-tuning: the last layer is made for the data, and mistakes are shown.
inline bool is_finetuning(const TrainCommand& options) { return options.preset == "finetune"; }

void declare(TrainCommand& options, Settings& settings);

/// Sets the options by precedence: the command line, then the run or --config, then the checkpoint
/// of --weights, then --preset, then defaults.
void apply_layers(TrainCommand& options, Settings& settings);

/// Throws UsageError for an option that has no effect, as far as that is known before the data: see
/// also complete().
void check_effects(const TrainCommand& options, const Settings& settings);

/// Takes from the data what the options leave open. Throws UsageError for options that do not fit
/// the data.
RunFacts complete(TrainCommand& options, const Settings& settings, const data::Splits& data,
                  const data::InputInfo& input);

/// For config.json: every option, the facts, and how convolutions are computed (conv_methods), as
/// JSON. Throws FileError if a text in them is not UTF-8.
std::string config_of(const Settings& settings, const RunFacts& facts, const nlohmann::json& convolutions);

}  // namespace kindling::cli
