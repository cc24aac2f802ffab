// How the weights of a layer lie in a tensor, for coders that look at neighbours.
#pragma once

#include <cstdint>

#include <kindling/tensor/shape.h>

namespace kindling {

/// Of a weight with a kernel: Caffe's and PyTorch's [O, I, KH, KW], or Kindling's [O, KH, KW, I].
enum class AxisOrder : uint8_t { inputs_first, inputs_last };

/// A tensor as outputs x inputs x places in the kernel.
struct GridShape {
  int64_t rows = 1;     ///< outputs
  int64_t columns = 1;  ///< inputs
  int64_t taps = 1;     ///< places in the kernel, row by row
  int64_t width = 1;    ///< of the kernel

  /// A vector is one row. [O, I] has one tap.
  static GridShape of(const Shape& shape, AxisOrder order);

  int64_t numel() const { return rows * columns * taps; }
};

/// Calls visit(element) for each element of the tensor (its place in row-major order), in the order
/// in which a GridModel codes them: outputs, then inputs, then the kernel.
template <class Visit>
void for_each_in_grid(const GridShape& grid, AxisOrder order, Visit&& visit) {
  const bool last = order == AxisOrder::inputs_last;
  const int64_t column_stride = last ? 1 : grid.taps, tap_stride = last ? grid.columns : 1;
  for (int64_t row = 0; row < grid.rows; ++row)
    for (int64_t column = 0; column < grid.columns; ++column)
      for (int64_t tap = 0; tap < grid.taps; ++tap)
        visit(row * grid.columns * grid.taps + column * column_stride + tap * tap_stride);
}

}  // namespace kindling
