// What a checkpoint of a training run says of itself.
#pragma once

#include <kindling/data/dataset.h>
#include <kindling/interop/description.h>

namespace kindling {

struct TrainerOptions;
struct FitOptions;

/// The description of a training run. If the options leave the size open, it is that of the first
/// pictures of `train`.
Description describe(const Module& model, const data::Dataset& train, const TrainerOptions& how,
                     const FitOptions& options);

}  // namespace kindling
