#include <kindling/io/grid_shape.h>

namespace kindling {

GridShape GridShape::of(const Shape& shape, AxisOrder order) {
  GridShape grid;
  const int64_t rank = shape.rank();
  if (rank == 0) return grid;
  const int64_t inputs = order == AxisOrder::inputs_last || rank < 2 ? rank - 1 : 1;  // the axis
  grid.columns = shape[inputs];
  if (rank >= 2) grid.rows = shape[0];
  for (int64_t axis = 1; axis < rank; ++axis) {
    if (axis == inputs) continue;
    grid.taps *= shape[axis];
    grid.width = shape[axis];
  }
  return grid;
}

}  // namespace kindling
