// The options of kindling compress.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/options.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/settings.h>
#include <kindling/compress/filters.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/share.h>

namespace kindling::cli {

struct CompressCommand {
  Everywhere everywhere;
  ModelChoice model;
  DataChoice data;
  Images images;
  std::string preset, train, out, plot, scan, calibrate;
  std::vector<std::string> filters;  ///< "0.75" or "PATTERN=0.5"
  std::vector<std::string> density;  ///< "0.33", "PATTERN=0.2", "table1" or "auto"
  double most_loss = 1;              ///< of density auto: per cent of top-1 that each layer alone may cost
  bool overall = false;              ///< each layer keeps what it needs of a common density
  bool gradual = false;              ///< weights are pruned while the model is retrained
  bool regrow = false;               ///< pruned weights may grow again, at last
  double svd = 0;                    ///< share of the energy that factored layers keep; 0: see svd_weights
  double svd_weights = 0;            ///< share of their weights that they keep at most; 0: none is factored
  std::string factor_layers;         ///< pattern of their paths; empty: all
  std::string method = "none";       ///< what is done to the weights that are left
  std::vector<std::string> bits;     ///< of a weight, with kmeans and uniform: "8" or "PATTERN=5"
  int64_t bytes = 0;                 ///< with rate-distortion: the largest file; 0: by `lambda`
  double lambda = 5e-8;              ///< with rate-distortion: nats of divergence that a bit is worth
  std::string coder = "range", others = "f32";
  std::string others_dtype() const;  ///< as files name it
  int64_t passes = 0;                ///< over the pictures of --calibrate, in which steps and biases are tuned
  int64_t epochs = 0;                ///< of retraining after each step
  std::optional<double> lr;          ///< of retraining
  bool measures = false;             ///< on --data, or on the data of the training that it begins with
  bool uses_data() const { return measures || epochs > 0; }
  bool counts_bits() const { return method == "kmeans" || method == "uniform"; }
  bool factors() const { return svd > 0 || svd_weights > 0; }
  bool is_automatic() const;  ///< --density auto
  bool scans() const { return !scan.empty() || is_automatic(); }
};

void declare(CompressCommand& options, Settings& settings);
/// Takes what the command line does not say from --preset. Throws UsageError for options that are
/// missing, without effect or do not fit each other, as far as that is known before the file of
/// weights is.
void apply_preset(CompressCommand& options, Settings& settings);
/// Takes the rest from the file of weights, and what to retrain on from its run.
RunFacts apply_weights(CompressCommand& options, Settings& settings);

/// --density, --filters and --bits as the library takes them, without "auto". Throw UsageError for
/// a word that is of no kind.
PruneOptions pruning_of(const CompressCommand& options);
FilterOptions filters_of(const CompressCommand& options);
ShareOptions sharing_of(const CompressCommand& options);

/// The pictures of --calibrate: of its folder, or some of those that its data set has to train on.
data::DatasetPtr open_calibration(const CompressCommand& options);

/// Throws Error, before anything is done, if a pattern among the options fits no layer of the
/// model, or if the model cannot be rounded as they say.
void check_fits(const CompressCommand& options, Module& model);

}  // namespace kindling::cli
