#include <kindling/compress/sensitivity.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include <kindling/io/atomic_file.h>
#include <kindling/train/gnuplot.h>

namespace kindling {
namespace {

/// Remembers a weight and its constraint, and puts them back.
class Restored {
 public:
  explicit Restored(Variable weight)
      : weight_(std::move(weight)), values_(weight_.value().clone()), constraint_(weight_.constraint()) {}
  ~Restored() {
    weight_.value().copy_(values_);
    weight_.set_constraint(constraint_);
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  Variable weight_;
  Tensor values_;
  Constraint constraint_;
};

/// The pattern of one layer alone.
std::string pattern_of(const std::string& path) {
  std::string pattern = "^";
  for (const char c : path) {
    if (std::string_view(".[]{}()*+?^$|\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

}  // namespace

Score top1_on(const data::DatasetPtr& dataset, const EvaluateOptions& options) {
  return [evaluator = std::make_shared<Evaluator>(dataset, options)](Module& model) {
    const Evaluation result = evaluator->run(model);
    check(result.top1.has_value(), "top1_on", "the model is no classifier");
    return *result.top1;
  };
}

Sensitivity scan_sensitivity(Module& model, const Score& score, const SensitivityOptions& options) {
  const std::vector<WeightLayer> layers = checked_weight_layers(model, "sensitivity");
  const std::vector<int64_t> matches = first_matches(layers, {options.layers}, "sensitivity");
  Sensitivity result{.score = 0, .densities = options.densities, .layers = {}};
  std::sort(result.densities.rbegin(), result.densities.rend());
  for (const double density : result.densities)
    check(density >= 0 && density <= 1, "sensitivity", "density ", density, " is not in [0, 1]");
  const auto chosen = std::count(matches.begin(), matches.end(), 0);
  const int64_t total = 1 + chosen * std::ssize(result.densities);
  int64_t done = 0;
  const auto measured = [&] {
    const double value = score(model);
    if (options.progress) options.progress(++done, total);
    return value;
  };
  result.score = measured();
  for (size_t i = 0; i < layers.size(); ++i) {
    if (matches[i] < 0) continue;
    Sensitivity::Row& row = result.layers.emplace_back(Sensitivity::Row{layers[i].path, {}});
    const Restored restored(*layers[i].weight);
    // Downwards: what a density keeps is among what the one before it kept.
    for (const double density : result.densities) {
      keep_largest(layers[i], density);
      row.scores.push_back(measured());
    }
  }
  return result;
}

std::vector<LayerDensity> propose_densities(const Sensitivity& sensitivity, double most_loss) {
  std::vector<LayerDensity> result;
  for (const Sensitivity::Row& row : sensitivity.layers) {
    double density = 1;
    for (size_t i = 0; i < row.scores.size() && row.scores[i] >= sensitivity.score - most_loss; ++i)
      density = sensitivity.densities[i];
    result.push_back({pattern_of(row.path), density});
  }
  return result;
}

void draw_sensitivity(const Sensitivity& sensitivity, const std::string& path) {
  std::ostringstream script;
  for (size_t l = 0; l < sensitivity.layers.size(); ++l) {
    script << "$layer" << l << " << EOD\n1 " << sensitivity.score << '\n';
    for (size_t d = 0; d < sensitivity.densities.size(); ++d)
      script << sensitivity.densities[d] << ' ' << sensitivity.layers[l].scores[d] << '\n';
    script << "EOD\n";
  }
  constexpr int64_t kLeast = 560, kAround = 90, kLine = 17;  // pixels: all layers stand in one column of the key
  script << svg_head(900, std::max(kLeast, kAround + kLine * std::ssize(sensitivity.layers)))
         << "set key at graph 1.02, 1 left top Left reverse vertical maxcols 1 maxrows " << sensitivity.layers.size()
         << " samplen 1.5 font ',10'\n"
         << "set rmargin 22\nset tmargin 2.5\nset xlabel 'density of the layer'\nset xrange [1:0]\n"
         << "set label 1 'accuracy, per cent, with one layer pruned' at graph 0, 1.04\n";
  const char* separator = "plot ";
  const auto count = static_cast<double>(sensitivity.layers.size());
  for (size_t l = 0; l < sensitivity.layers.size(); ++l) {  // from blue at the input to red at the output
    const double hue = 0.66 * (1 - static_cast<double>(l) / std::max(1.0, count - 1));
    script << separator << "$layer" << l << " with linespoints lw 1.5 pt 7 ps 0.3 lc rgb hsv2rgb(" << hue
           << ", 0.8, 0.8) title '" << sensitivity.layers[l].path << "' noenhanced";
    separator = ", ";
  }
  script << '\n';
  write_file(path, run_gnuplot(script.str()));
}

}  // namespace kindling
