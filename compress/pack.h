// A model with shared weights as the tensors of a .kndz file.
#pragma once

#include <string>
#include <vector>

#include <kindling/io/coded_tensor.h>
#include <kindling/nn/module.h>

namespace kindling {

/// The model's parameters and buffers, in order, as a .kndz file keeps them: weights that are
/// shared (share.h) as codes and a codebook, all others plain. The floating-point numbers of both
/// are rounded to `dtype` ("F32", "F16", "BF16"); a tensor with numbers that F16 cannot hold, above
/// 65,504, stays F32. For weights on a grid see coded_tensors().
std::vector<CodedTensor> pack(Module& model, const std::string& dtype = "F32");

}  // namespace kindling
