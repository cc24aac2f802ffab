// How much each layer suffers from pruning (arXiv:1506.02626, figure 6).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <kindling/compress/prune.h>
#include <kindling/data/dataset.h>
#include <kindling/train/evaluate.h>

namespace kindling {

/// How good a model is, in per cent: accuracy, or agreement with what it said before.
using Score = std::function<double(Module& model)>;

/// Top-1 on a data set, which is read once if it fits into the cache. Throws ShapeError as
/// Evaluator does, and when the model is no classifier.
Score top1_on(const data::DatasetPtr& dataset, const EvaluateOptions& options = {});

struct SensitivityOptions {
  std::vector<double> densities = {0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1};
  std::string layers = "";                                         ///< pattern of their paths; all by default
  std::function<void(int64_t done, int64_t total)> progress = {};  ///< called after every score
};

/// Scores of a model with one layer pruned, the others as they were.
struct Sensitivity {
  struct Row {
    std::string path;
    std::vector<double> scores;  ///< one for each density
  };
  double score = 0;               ///< of the model as it is
  std::vector<double> densities;  ///< descending
  std::vector<Row> layers;
};

/// Prunes each layer to each density and measures. The model is afterwards as it was, its
/// constraints too, also if `score` throws. Throws ShapeError if a density is not in [0, 1], Error
/// if no layer fits the pattern.
Sensitivity scan_sensitivity(Module& model, const Score& score, const SensitivityOptions& options = {});

/// For each layer the smallest density down to which every score is at least that of the model
/// less `most_loss`, in points; 1 if there is none. The layers suffer together from what each would
/// stand alone, so prune gradually or with a small `most_loss`, and retrain.
std::vector<LayerDensity> propose_densities(const Sensitivity& sensitivity, double most_loss);

/// Draws the scores against the densities, one line for each layer, to an SVG file. Throws
/// FileError if it cannot be written, or as run_gnuplot() does.
void draw_sensitivity(const Sensitivity& sensitivity, const std::string& path);

}  // namespace kindling
