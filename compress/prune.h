// Pruning: the smallest weights become 0 and stay so. Han et al., arXiv:1506.02626 and 1510.00149.
//
//     prune(net, {.density = 0.33});                             // a third of each layer's weights is left
//     Trainer trainer(net, SGD(net.parameters(), ...), ...);     // weights that are 0 stay 0
//
// Retraining with learning-rate rewinding (Renda et al., arXiv:2003.02389) repeats the last part of
// the schedule that the dense network was trained with: TrainerOptions::schedule is rewound(that
// schedule, 0.5) for the second half, and the number of epochs is half of what it was.
//
// Dense-sparse-dense training (Han et al., arXiv:1607.04381) prunes, retrains, calls release_weights() and
// trains on with a tenth of the learning rate: the weights that were 0 grow from there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <kindling/compress/layer_values.h>

namespace kindling {

using LayerDensity = ForLayers<double>;

struct PruneOptions {
  double density = 1;                     ///< share of the weights that is kept, of layers not in `layers`
  std::vector<LayerDensity> layers = {};  ///< those that have a density of their own; the first entry that fits counts
  /// `density` is that of all layers together that are not in `layers`, and each of them keeps what
  /// it needs. Otherwise each has this density.
  bool overall = false;
};

/// What is left of a layer.
struct PrunedLayer {
  std::string path = {};
  int64_t weights = 0;  ///< before
  int64_t kept = 0;
  int64_t biases = 0;  ///< all are kept
};

/// Keeps the ceil(density x weights) weights of largest magnitude in each layer, and sets the
/// others to 0. Of equal magnitudes the first are kept, in the order of the layers and of memory.
/// Overall, it keeps the weights of the largest score
///   s_i = w_i^2 / sum of w_j^2 over all j of the layer with |w_j| >= |w_i|,
/// of equal magnitudes w_j again those before i (LAMP; Lee et al., arXiv:2010.07611). Within a
/// layer the order is that of the magnitudes. s_i is the share of w_i^2 in the squares that are
/// left when all smaller weights of the layer are pruned. So the scale of a layer does not matter,
/// and the largest weight of each layer has the score 1. Biases and normalisations stay. A
/// Constraint holds what is pruned at 0 in all later training (optim/optimizer.h), and what was
/// pruned before, until release_weights(). Weights that were shared move by themselves from then
/// on. Throws ShapeError if a density is not in [0, 1], Error as values_for() does. The model is
/// unchanged then.
std::vector<PrunedLayer> prune(Module& model, const PruneOptions& options);

/// One layer of a model: as prune() does it.
PrunedLayer keep_largest(const WeightLayer& layer, double density);

/// ceil(density x weights), without what rounding adds: 0.07 x 100 is above 7 in double.
int64_t kept_of(double density, int64_t weights);

/// Weights that are 0 now stay 0: for a pruned network that comes from a file. Layers without a 0
/// are free.
void hold_pruned(Module& model);
/// All weights are free again; none changes.
void release_weights(Module& model);
/// What is left now: weights that are not 0.
std::vector<PrunedLayer> count_kept(Module& model);

/// Table 1 of the SqueezeNet paper (v1.0): squeeze, expand1x1 and conv1 are kept, but half of
/// fire6/expand1x1, fire7/squeeze, fire8/expand1x1 and fire9/squeeze; of expand3x3 33 % (fire8 and
/// fire9 30 %, where the table's 33 % for fire8 does not give its count), of conv10 20 %. It leaves
/// 421,098 of 1,248,424 parameters.
std::vector<LayerDensity> squeezenet_table1_densities();

/// Gradual pruning (Zhu and Gupta, arXiv:1710.01878). After update begin + i every, i = 0 .. times,
/// the sparsity s = 1 - density of each layer is
///   s_i = s_f + (s_0 - s_f) (1 - i / times)^3,   s_f that of `last`, s_0 = 1 - first_density,
/// where a layer that is to keep more than `first_density` is pruned to its own density at once.
struct GradualPruning {
  PruneOptions last = {};
  double first_density = 1;
  int64_t begin = 0;    ///< updates before the first pruning; at 0 that one is left out
  int64_t every = 100;  ///< updates
  int64_t times = 10;
};

/// s_i above, for a layer whose last density is `last`: 1 - s_i.
double gradual_density(double first, double last, int64_t i, int64_t times);

/// For TrainerOptions::after_update. The model must outlive it. A resumed run prunes as one that
/// was left alone. Throws ShapeError if `every` or `times` is below 1 or a density is not in [0,
/// 1].
std::function<void(int64_t updates)> gradual_pruning(Module& model, const GradualPruning& options);

}  // namespace kindling
