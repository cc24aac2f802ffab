// An initialisation that looks at data.
#pragma once

#include <kindling/nn/module.h>

namespace kindling {

/// Layer-sequential unit-variance initialisation (Mishkin and Matas, arXiv:1511.06422): scales weight and bias of one
/// layer after the other, in the order of the forward pass, so that the root mean square of its output over `batch`
/// [N, ...] becomes 1, behind the ReLU where the layer has one. What a formula for one layer cannot know is then right
/// too: that sums of several branches (bypasses) grow from stage to stage.
///
/// The layers are those with a "weight" of two axes or more. The last keeps its weights, as their size decides how
/// sure the untrained network is; so does a layer whose output is 0 on all of `batch`. The bits depend on the model and
/// the batch alone. It takes a forward pass for every layer: some 32 images are enough.
void scale_to_unit_variance(Module& model, const Tensor& batch);

}  // namespace kindling
