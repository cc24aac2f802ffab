// What a whole number costs in bits, by its size and by where it stands.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace kindling {

/// An estimate of what a range coder with contexts makes of the numbers of a matrix [rows,
/// columns]. A number costs by its magnitude, and by how large the numbers of its row and of its
/// column are on average: their logarithms in six classes each. The counts in each of these 36
/// contexts are those of the matrix that was counted last; a sign costs one bit. Zeros are cheap
/// where most are zero, so a pruned network stays one.
class RateModel {
 public:
  /// Magnitudes from here on cost as Elias gamma codes of what is above it.
  static constexpr int kLargest = 24;

  /// Counts the numbers of a row-major matrix.
  RateModel(const std::vector<int32_t>& numbers, int64_t rows, int64_t columns);

  /// The costs, in bits, of the magnitudes 0 ... kLargest at this place.
  const double* at(int64_t row, int64_t column) const {
    return bits_[static_cast<size_t>(row_class_[static_cast<size_t>(row)] * kClasses +
                                     column_class_[static_cast<size_t>(column)])]
        .data();
  }
  /// Of a number of this magnitude, with its sign, by the costs of its place.
  static double cost(const double* bits, int64_t magnitude);

 private:
  static constexpr int kClasses = 6;
  using Costs = std::array<double, kLargest + 1>;

  std::vector<int> row_class_, column_class_;
  std::array<Costs, kClasses * kClasses> bits_;
};

}  // namespace kindling
