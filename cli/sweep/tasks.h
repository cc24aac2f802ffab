// The pieces that plans are made of.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <kindling/cli/sweep/plan.h>
#include <kindling/cli/sweep/results.h>

namespace kindling::cli {

/// Options as on the command line: {"base_e": 64} as --base-e 64.
Words words_of(const nlohmann::ordered_json& options);

/// Multiply-adds of a model, by its options, for one picture of 32 pixels.
double macs_of(const nlohmann::ordered_json& model);

/// One training by preset cifar for each seed, "NAME-1", "NAME-2", ..., with the tasks train, file
/// (the weights in fp32) and info. `recipe` has what is not as in the preset.
std::vector<RunPlan> trainings(const Scale& scale, const std::string& name, const nlohmann::ordered_json& model,
                               const nlohmann::ordered_json& recipe = nlohmann::ordered_json::object());
/// The names of these runs.
Words names_of(const std::vector<RunPlan>& runs);

/// A further task of each run: kindling compress, from one of its files to RUN/NAME.kndz.
void add_compression(std::vector<RunPlan>& runs, const Scale& scale, const std::string& name, const std::string& from,
                     const nlohmann::ordered_json& options);

/// "71.84 ± 0.55 %"
std::string percent_text(const Mean& mean);
/// "+0.66 ± 0.70 points", where ± has two standard errors.
std::string points_text(const Mean& difference);
/// Whether it is above 0 by more than two standard errors.
bool is_clear(const Mean& difference);
/// Two standard errors; 0 of one seed.
double two_errors(const Mean& mean);

}  // namespace kindling::cli
