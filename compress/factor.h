// Factoring: a layer becomes two thin ones, whose product is nearest to its weight. Then fine-tune.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/compress/layer_values.h>

namespace kindling {

/// Through which matrix a convolution's weight [O,KH,KW,C] is factored. A fully connected layer's
/// is its weight [O,I].
enum class Factoring : uint8_t {
  spatial,          ///< [O KW, KH C]: KHx1 to r channels, then 1xKW (Jaderberg et al., arXiv:1405.3866, scheme 2)
  input_channels,   ///< [O KH KW, C]: 1x1 to r channels, then KHxKW
  output_channels,  ///< [O, KH KW C]: KHxKW to r channels, then 1x1
};

/// Which layers, and the rank r of each. Exactly one of rank, energy, weights and macs is above 0.
struct FactorOptions {
  std::string layers = "";  ///< pattern of their paths (nn/name_pattern.h); all by default
  Factoring form = Factoring::spatial;
  int64_t rank = 0;    ///< at most the number of singular values
  double energy = 0;   ///< smallest r with s_1^2 + ... + s_r^2 >= energy (s_1^2 + s_2^2 + ...)
  double weights = 0;  ///< largest r for which the two layers have at most this share of the weights
  double macs = 0;     ///< largest r for which they need at most this share of the multiply-adds
  /// `weights` is the share that all these layers keep together. A singular value is worth its
  /// share of its layer's s_1^2 + s_2^2 + ..., divided by the weights that it takes; those above a
  /// common threshold stay, and at least one in each layer. So a layer with few weights keeps all
  /// it needs.
  bool overall = false;
};

/// What became of a layer. Multiply-adds are counted for one pixel of its output, away from the
/// border.
struct FactoredLayer {
  std::string path = {};
  int64_t rank = 0;  ///< 0: left as it was, since the rank asked for would not make it smaller
  int64_t full_rank = 0;
  int64_t weights_before = 0, weights = 0;
  int64_t macs_before = 0, macs = 0;
  double error = 0;  ///< ||W - product|| / ||W||, the least of all products of this rank
};

/// Puts two layers "0" and "1" in the place of each (nn/factored.h). With the singular value
/// decomposition W = U S V' of its matrix, "1" has the weight U sqrt(S) and "0" sqrt(S) V', cut to
/// rank r; biases go to "1". A layer that `energy`, `weights` or `macs` would not make smaller is
/// left alone; a `rank` is obeyed. New weights are free of constraints, so factor first and prune
/// or share then. Make optimisers after it.
///
/// The model keeps its definition: save() and load_model() know a factored layer by its tensors,
/// "fc1/0/weight" and "fc1/1/weight".
///
/// Throws ShapeError unless exactly one of rank, energy, weights and macs is given, if energy is
/// above 1, or if `overall` is without weights; Error if no layer fits the pattern, if one is a
/// convolution in groups, a factor already, or a plain member of its module (see replace()). The
/// model is unchanged then.
std::vector<FactoredLayer> factor(Module& model, const FactorOptions& options);

}  // namespace kindling
