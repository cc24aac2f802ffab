// Rounding to a uniform grid, weight by weight: the plain way, to compare others with.
#pragma once

#include <cstdint>

#include <kindling/compress/rate_distortion.h>
#include <kindling/nn/module.h>

namespace kindling {

/// Rounds each weight w of a layer to the nearest step q, with whole q from -(2^(bits-1) - 1) to
/// 2^(bits-1) - 1 and step = max|w| / (2^(bits-1) - 1). Biases get 16 bits. The model gets what was
/// rounded. A layer of zeros gets the step 1. Throws ShapeError unless 2 <= bits <= 16, Error for a
/// number that is not finite; then the model is unchanged.
QuantisedModel round_uniformly(Module& model, int64_t bits);

}  // namespace kindling
