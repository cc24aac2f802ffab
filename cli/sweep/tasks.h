// The pieces that plans are made of.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <kindling/cli/sweep/plan.h>

namespace kindling::cli {

/// A command with options as on the command line: {"base_e": 64} as --base-e 64.
Words words_of(Words command, const nlohmann::ordered_json& options);

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

}  // namespace kindling::cli
