// The options of kindling compress.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/options.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/settings.h>
#include <kindling/compress/prune.h>

namespace kindling::cli {

struct CompressCommand {
  Everywhere everywhere;
  ModelChoice model;
  DataChoice data;
  Images images;
  std::string preset, out, plot, calibrate;
  std::vector<std::string> density;  ///< "0.33", "PATTERN=0.2" or "table1"
  double svd = 0;                    ///< share of the energy that factored layers keep; 0: none is factored
  std::string factor_layers;         ///< pattern of their paths; empty: all
  std::string method = "none";       ///< what is done to the weights that are left
  std::optional<int64_t> bits;       ///< of a weight, with kmeans and uniform
  int64_t bytes = 0;                 ///< with rate-distortion: the largest file; 0: by `lambda`
  double lambda = 5e-8;              ///< with rate-distortion: nats of divergence that a bit is worth
  std::string coder = "range";
  int64_t passes = 0;        ///< over the pictures of --calibrate, in which steps and biases are tuned
  int64_t epochs = 0;        ///< of retraining after each step
  std::optional<double> lr;  ///< of retraining
  bool names_data = false;   ///< on the command line
  bool uses_data() const { return names_data || epochs > 0; }
};

void declare(CompressCommand& options, Settings& settings);
/// Takes what the command line does not say from --preset and from the file of weights, and what
/// to retrain on from its run. Throws UsageError for options without effect.
RunFacts apply_layers(CompressCommand& options, Settings& settings);

/// --density as the library takes it. Throws UsageError for a word that is none of the three kinds.
PruneOptions pruning_of(const CompressCommand& options);

}  // namespace kindling::cli
