// Tensors of few different values, by small integers: what compression makes of weights, and what .kndz and .net files
// hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kindling/io/grid_shape.h>
#include <kindling/tensor/tensor.h>

namespace kindling {

enum class Coding : uint8_t {
  plain,     ///< each element is a number of its own
  codebook,  ///< element = codebook[number]: weights that share values (arXiv:1510.00149)
  grid       ///< element = step * number
};

/// A tensor in one of the three forms.
struct CodedTensor {
  std::string name;
  Shape shape;
  AxisOrder axes = AxisOrder::inputs_last;
  Coding coding = Coding::plain;
  std::string dtype = "F32";          ///< of plain elements and of the codebook: "F32", "F16" or "BF16"
  Tensor values = {};                 ///< plain: contiguous, of dtype f32
  std::vector<float> codebook = {};   ///< value 0 is 0
  float step = 0;                     ///< finite
  std::vector<int32_t> numbers = {};  ///< codebook and grid: of each element, row by row

  /// The elements, as f32.
  Tensor decoded() const;
  /// Elements that are not 0.
  int64_t nonzero() const;
};

/// Throws Error with the tensor's name if its parts do not fit each other.
void check_coded(const CodedTensor& tensor);

/// An f32 tensor as it is. As "F16" or "BF16" its elements are rounded to the nearest.
CodedTensor plain_tensor(std::string name, const Tensor& values, std::string dtype = "F32");

}  // namespace kindling
