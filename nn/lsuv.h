// An initialisation that looks at data.
#pragma once

#include <kindling/nn/module.h>

namespace kindling {

/// Layer-sequential unit-variance initialisation (Mishkin and Matas, arXiv:1511.06422). Scales
/// weight and bias of one layer after the other, in the order of the forward pass, until the root
/// mean square of its output over `batch` [N, ...] is 1; with a ReLU in the layer, that of the
/// ReLU's output. This also corrects what no formula for a single layer knows: that sums of several
/// branches (bypasses) grow from stage to stage.
///
/// The layers are those with a "weight" of two or more axes. The last one keeps its weights,
/// because their size decides how sure the untrained network is. A layer whose output is 0 on all
/// of `batch` keeps them too. The bits depend on the model and the batch alone. Each layer takes
/// one forward pass, so about 32 images are enough.
void scale_to_unit_variance(Module& model, const Tensor& batch);

}  // namespace kindling
