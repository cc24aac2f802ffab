// A layer as two thin ones, whose product its weight is or nearly is (compress/factor.h).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <kindling/nn/module.h>
#include <kindling/tensor/function_ref.h>

namespace kindling {

/// A Sequential of two layers "0" and "1" for the place of a Linear [O,I] or a Conv2d [O,KH,KW,C].
/// The weights have the shapes `first` and `second`, and are not set. Through rank r these are
///   [r,I] and [O,r]               of a Linear
///   [r,KH,1,C] and [O,1,KW,r]     spatial: down the columns, then along the rows
///   [r,1,1,C] and [O,KH,KW,r]     fewer input channels
///   [r,KH,KW,C] and [O,1,1,r]     fewer output channels
/// of a Conv2d. "0" has no bias; "1" has that of the layer, if it has one, and its ReLU. Stride,
/// padding and dilation of an axis belong to the layer whose kernel spans it. Throws ShapeError
/// unless the shapes are such, Error for other layers and for convolutions in groups.
std::unique_ptr<Module> make_factored(Module& layer, const Shape& first, const Shape& second);

/// Puts two layers in the place of each layer of the model that a file has as two: `shape_of` gives
/// the shape of "fire2/expand3x3/0/weight", if there is such a tensor. Their weights are not set;
/// the model keeps its definition. Throws as make_factored() does.
void factor_as_in(Module& model, FunctionRef<std::optional<Shape>(const std::string& tensor)> shape_of);

}  // namespace kindling
