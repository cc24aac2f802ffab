// What the layers of the models are called here, in torchvision and in Caffe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Whose names, and whose order of axes, the tensors of a file have. Kindling's weights are
/// [O,KH,KW,I]; those of the others [O,I,KH,KW].
enum class Naming : uint8_t { kindling, torchvision, caffe };
/// "kindling", "torchvision", "caffe".
const std::vector<std::string>& naming_words();

/// The name of one of a model's tensors in a file with such names. Here "fire2/squeeze/weight", in
/// torchvision "features.3.squeeze.weight" (for squeezenet1_1), in Caffe "fire2/squeeze1x1/weight".
/// What the others do not have follows their style: "features.3.squeeze_bn.running_mean",
/// "features.3.bypass.weight". Caffe's batch normalisation is two layers, BatchNorm
/// ("fire2/squeeze1x1/bn/mean") and Scale ("fire2/squeeze1x1/scale/weight"). `model` is a name of
/// models/registry.h. A layer that is in no table keeps its name, with '.' for '/' in
/// torchvision's style.
std::string foreign_name(const std::string& model, const std::string& tensor, Naming naming);

/// The paths of a model's layers that have weights, in their order: "conv1", "fire2/squeeze", ...;
/// with those of complex bypasses, but without batch normalisation. Empty for a model of no table.
std::vector<std::string> layer_paths(const std::string& model);

}  // namespace kindling
