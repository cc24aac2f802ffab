// Weight sharing: the weights of a layer take few different values. arXiv:1510.00149, section 3.
//
//     prune(net, {.density = 0.33});
//     share(net, {.bits = 6});     // 63 values in each layer, and 0
//     Trainer trainer(...);        // the values are trained, each by the sum of its weights' gradients
//
// The sums are of hundreds of gradients, so plain SGD needs a learning rate that is a hundred times
// smaller than that of the weights. Adam and Muon do not.
//
// A layer's weight w is then gather(values, codes): w_i = values[codes_i], where values[0] = 0 for
// what is pruned. A Constraint holds the codes (optim/optimizer.h), so that files, layers and their
// names stay as they are. release_weights() (prune.h) ends it; hold_pruned() ends it but holds the
// zeros.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/compress/kmeans.h>
#include <kindling/compress/layer_values.h>

namespace kindling {

struct ShareOptions {
  int64_t bits = 8;                             ///< of a code, 1 to 8: 2^bits - 1 values beside 0
  std::vector<ForLayers<int64_t>> layers = {};  ///< layers with bits of their own; the first entry that fits counts
  KMeansStart start = KMeansStart::linear;
  uint64_t seed = 0;  ///< of the random start
};

/// What sharing did to a layer.
struct SharedLayer {
  std::string path = {};
  int64_t weights = 0, nonzero = 0;
  int64_t values = 0;      ///< different ones, beside 0
  double start_error = 0;  ///< ||w - shared w|| / ||w|| with the centroids of the start
  double error = 0;        ///< after Lloyd's steps
  int64_t steps = 0;
};

/// Replaces the nonzero weights of each layer by the centroids of their clusters (kmeans.h), and
/// holds them so: in all later training a cluster's weights stay equal, and zeros stay 0. Nothing
/// is lost where a layer has no more than 2^bits - 1 different values: a network that comes from a
/// compressed file goes on this way. Make optimisers before or after it; their moments begin anew.
/// Throws ShapeError if bits are not from 1 to 8, Error as values_for() does.
std::vector<SharedLayer> share(Module& model, const ShareOptions& options = {});

/// A shared weight as a file keeps it.
struct Codebook {
  std::vector<float> values;  ///< of code 0, which is 0, and of the codes from 1 on
  Tensor codes;               ///< u8, of the weight's shape
};

/// That of a layer's weight as it is now. Throws Error if the weight is not shared.
Codebook codebook_of(const Variable& weight);
/// Fills a weight, which is shared from then on. Throws ShapeError if the codes are not u8 of its
/// shape, or if one has no value.
void set_codebook(Variable& weight, const Codebook& codebook);

}  // namespace kindling
