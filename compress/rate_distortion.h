// A model on a uniform grid, with the fewest bits for its loss: no retraining, no labels.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <kindling/compress/calibration.h>
#include <kindling/nn/module.h>

namespace kindling {

/// The weight of a layer as whole numbers: weight = step * codes.
struct QuantisedLayer {
  std::string path = {};  ///< of a WeightLayer
  Shape shape = {};       ///< of its weight
  float step = 0;
  std::vector<int32_t> codes = {};  ///< row-major
  double bits = 0;                  ///< by RateModel
  double rise = 0;                  ///< of the divergence from the original's predictions, in nats
};

struct QuantisedModel {
  std::vector<QuantisedLayer> layers = {};  ///< in the order of weight_layers()
  int64_t other_numbers = 0;                ///< of all other parameters: biases
  double lambda = 0;                        ///< nats a bit
  double rise = 0;                          ///< sum over layers: about the mean divergence, in nats
  /// About what a range coder makes of it: the bits of the layers, and two bytes for each other
  /// number.
  int64_t estimated_bytes() const;
};

/// Sets the weights of the model to step * codes. The biases stay as they are. Throws Error if a
/// layer is missing or has another shape.
void set_weights(Module& model, const QuantisedModel& quantised);

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
/// divergence plus lambda times the bits. The model gets the rounded weights, and biases that make
/// good what they can (Curvature::bias_follows). `calibration` is that of this model, before.
///
/// A step is searched for in powers of 2^(1/3) around natural_step(). Throws Error if the
/// calibration is of another model, if both or none of lambda and target_bytes are given, or if no
/// lambda reaches the size; then the model is unchanged.
QuantisedModel quantise(Module& model, const Calibration& calibration, const RateDistortionOptions& options);

}  // namespace kindling
