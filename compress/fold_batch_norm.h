// Batch normalisation taken into the convolution in front of it.
#pragma once

#include <memory>

#include <kindling/nn/module.h>

namespace kindling {

/// The same function as `model` in evaluation mode, without its normalisations: where y = gamma (w
/// * x + b - mean) / sqrt(var + eps) + beta, the convolution gets
///   w' = w gamma / sqrt(var + eps),   b' = (b - mean) gamma / sqrt(var + eps) + beta.
/// Outputs differ by rounding alone. The result is the model of the same definition with
/// Norm::none, in evaluation mode; of a model without normalisation, a copy. Throws Error if the
/// model has no definition (see Module::definition), or a normalisation that follows no convolution
/// of its name.
std::unique_ptr<Module> fold_batch_norm(Module& model);

}  // namespace kindling
