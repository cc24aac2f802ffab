// What a weight will cost in a .kndz file: for quantisers that weigh bits against errors.
#pragma once

#include <cstdint>
#include <memory>

#include <kindling/io/grid_shape.h>

namespace kindling {

class GridModel;

/// Follows the range coder of .kndz files through a network of quantised weights. Give it the
/// tensors in the order of the file, and each tensor's numbers in the order of
/// for_each_in_grid(): outputs, then inputs, then the kernel.
///
///   GridRate rate;
///   rate.begin(GridShape::of(weight.shape(), AxisOrder::inputs_last));
///   for each weight: try rate.bits(q) of some numbers q, choose one, then rate.update(chosen).
///
/// A number costs more or fewer bits by what has been coded before it. A copy of a GridRate starts
/// where the original stands, so that a layer can be tried several times.
class GridRate {
 public:
  GridRate();
  GridRate(const GridRate& other);
  GridRate& operator=(const GridRate& other);
  GridRate(GridRate&&) noexcept;
  GridRate& operator=(GridRate&&) noexcept;
  ~GridRate();

  /// The numbers of another tensor follow.
  void begin(const GridShape& shape);
  /// What `q` would cost as the next number. |q| is at most 1,048,575.
  float bits(int32_t q) const;
  /// The next number is `q`.
  void update(int32_t q);

 private:
  std::unique_ptr<GridModel> model_;
};

}  // namespace kindling
