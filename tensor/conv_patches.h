// The inputs of a convolution's outputs, as a matrix.
#pragma once

#include <kindling/tensor/conv.h>

namespace kindling {

/// Row (n, i, j) of the result [N H' W', KH KW C/groups] is what the outputs of group `group` at
/// pixel (i, j) see of image n, with zeros where padding is. conv2d(x, w) is this matrix times the
/// transposed rows of w, whose shape is `w_shape` [O, KH, KW, C/groups]. Throws ShapeError as
/// conv2d does, and if there is no such group.
Tensor conv2d_patches(const Tensor& x, const Shape& w_shape, const Conv2dOptions& options = {}, int64_t group = 0);

}  // namespace kindling
