// A model on a uniform grid, with the fewest bits for its loss: no retraining, no labels.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <kindling/compress/calibration.h>
#include <kindling/io/coded_tensor.h>
#include <kindling/nn/module.h>

namespace kindling {

/// A layer as whole numbers: weight = step * codes, bias = bias_step * bias_codes.
struct QuantisedLayer {
  std::string path = {};  ///< of a WeightLayer
  Shape shape = {};       ///< of its weight
  float step = 0;
  std::vector<int32_t> codes = {};  ///< row-major
  float bias_step = 0;
  std::vector<int32_t> bias_codes = {};  ///< empty where there is no bias
  double bits = 0;                       ///< of the weight by RateModel, and about those of the bias
  double rise = 0;                       ///< of the divergence from the original's predictions, in nats
};

struct QuantisedModel {
  std::vector<QuantisedLayer> layers = {};  ///< in the order of weight_layers()
  int64_t other_numbers = 0;                ///< of all other parameters, which stay as they are
  double lambda = 0;                        ///< nats a bit
  double rise = 0;                          ///< sum over layers: about the mean divergence, in nats
  /// About what a range coder makes of it: the bits of the layers, and two bytes for each other
  /// number.
  int64_t estimated_bytes() const;
};

/// Sets the weights and biases of the model to steps * codes. Throws Error if a layer is missing or
/// has another shape.
void set_weights(Module& model, const QuantisedModel& quantised);

/// All parameters of a model that has those of `quantised`, for a file: grids of the layers, and
/// all others plain in f16. The names are those of Module::named_parameters().
std::vector<CodedTensor> coded_tensors(Module& model, const QuantisedModel& quantised);

struct RateDistortionOptions {
  /// What a bit is worth, in nats of divergence. 0: chosen so that the size is `target_bytes`.
  double lambda = 0;
  int64_t target_bytes = 0;  ///< the size is at most this; by bisection of log lambda
  /// The real size, such as that of the file's bytes. Empty: QuantisedModel::estimated_bytes().
  std::function<int64_t(const QuantisedModel&)> size = {};
  double damping = 0.05;  ///< of each H, see factorise()
  /// Called after each layer, with how many are done of so many. A search tells of every try.
  std::function<void(int64_t done, int64_t total)> progress = {};
  const std::atomic<bool>* stop = nullptr;  ///< becomes true: Stopped is thrown
};

/// Rounds the weight of every layer by round_to_grid(), with a step for each that minimises the
/// divergence plus lambda times the bits. Biases first make good what they can
/// (Curvature::bias_follows), then they are rounded to nearest on a grid of their own. The model
/// gets the rounded weights and biases. `calibration` is that of this model, before.
///
/// A step is searched for in powers of 2^(1/3) around natural_step(). Throws Error if the
/// calibration is of another model, if both or none of lambda and target_bytes are given, if no
/// lambda reaches the size, or if the model was certain of all pictures of the calibration, so that
/// they tell nothing; then the model is unchanged.
QuantisedModel quantise(Module& model, const Calibration& calibration, const RateDistortionOptions& options);

}  // namespace kindling
