// A compressed model as the tensors of a .kndz file, and back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <kindling/io/coded_tensor.h>
#include <kindling/nn/module.h>

namespace kindling {

/// Weights on a grid, by the names of their tensors: what rounding has made of them.
using GridWeights = std::map<std::string, CodedTensor>;

/// The model's parameters and buffers, in order. Those in `grids` are taken from there; weights
/// that are shared (share.h) become their codes; all others are plain, of `dtype` ("F32", "F16",
/// "BF16"), but buffers of integers and doubles are refused by the format. Throws Error if a tensor of
/// `grids` is none of the model's.
std::vector<CodedTensor> pack(Module& model, const GridWeights& grids = {}, const std::string& dtype = "F32");

}  // namespace kindling
