// What the range coder expects of the next weight: the statistics of quantised weights, learned while they are coded.
// Internal to io/; a quantiser asks GridRate (grid_rate.h). docs/kndz.md specifies every step.
//
// A tensor is `rows` outputs x `columns` inputs x `taps` of a kernel, coded in this order. Two linear predictors, one
// for the weight and one for its magnitude, look at the neighbours in the kernel, at the row above and at running
// means. They are learned on the way by normalised least mean squares, one pair for each tap. The predictions, in
// coarse steps, choose the adaptive bits that code the weight.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <kindling/io/grid_shape.h>
#include <kindling/io/range_coder.h>

namespace kindling {

/// Expects numbers, one after the other, of tensor after tensor.
class GridModel {
 public:
  /// Numbers of a greater magnitude cannot be coded.
  static constexpr int32_t kLargest = (1 << 20) - 1;

  /// Numbers of another tensor follow. Of each magnitude minus 1, the `low_bits` (0 to 8) lowest
  /// bits are coded one by one, and the rest by its order of magnitude.
  void begin(const GridShape& shape, uint32_t low_bits);

  /// Codes the next number, without learning where it is. A `Coder` has
  ///   bool code(AdaptiveBit&, bool bit)                    and
  ///   uint32_t code_raw(uint32_t count, uint32_t value)
  /// and returns what it has coded: an encoder its argument, a decoder what it has read.
  template <class Coder>
  int32_t code(Coder& coder, int32_t q);

  /// Learns that the number was q, and turns to the next. Numbers beyond the last of the tensor
  /// are an error of the caller.
  void advance(int32_t q);

 private:
  static constexpr int kInputs = 8, kMagnitudes = 6, kScales = 32, kSurest = 9, kSteps = 12, kOrders = 20;
  static constexpr int kTreeOrders = 8;  // from this order on, digits after the second are raw

  struct Column {       // of one input and tap
    int32_t above = 0;  // the number of the row above; of this row, once it is coded
    int32_t mean = 0;
    int32_t magnitude = 0;
  };
  struct Tap {
    std::array<int32_t, 6> neighbours{};                                   // how far before; 0: outside of the kernel
    std::array<int32_t, kInputs> weights{};                                // in 1/2^16
    std::array<int32_t, kMagnitudes> magnitude_weights{1 << 15, 1 << 15};  // in 1/2^16
    int32_t mean = 1 << 16;                                                // of all magnitudes
    int32_t row_mean = 0;                                                  // of those of this row
  };
  struct Low {
    std::array<AdaptiveBit, 256> bits;
  };

  template <bool has_kernel>
  void predict();
  template <bool has_kernel>
  void learn(int32_t q);

  GridShape shape_;
  uint32_t low_bits_ = 0;
  std::vector<Column> columns_;
  std::vector<Tap> taps_;
  int64_t row_ = 0, column_ = 0, tap_ = 0;
  int64_t power_ = 1 << 16;  // running mean of the squares, in 1/2^16

  // Of the next number:
  std::array<int32_t, kInputs> inputs_{};          // in 1/256
  std::array<int32_t, kMagnitudes> magnitudes_{};  // in 1/256
  int64_t expected_ = 0, expected_magnitude_ = 0;  // in 1/256
  int scale_ = 0;                                  // of the magnitude: two steps for each doubling
  int direction_ = 0;                              // the expected number by the expected magnitude, in quarters
  int signs_ = 0;                                  // of the left and the upper neighbour

  std::array<std::array<AdaptiveBit, kSurest + 1>, kScales> zero_;
  std::array<std::array<AdaptiveBit, 2 * kSteps + 1>, 9> sign_;
  std::array<std::array<std::array<AdaptiveBit, kOrders>, 2 * kSurest + 2>, kScales> order_;
  std::array<std::array<AdaptiveBit, kOrders>, kScales> top_;
  std::array<std::array<AdaptiveBit, 1 << kTreeOrders>, 2> rest_;
  std::array<std::array<Low, 16>, 2> low_;
};

template <class Coder>
int32_t GridModel::code(Coder& coder, int32_t q) {
  const int sure = std::min(std::abs(direction_), kSurest);
  if (!coder.code(zero_[scale_][sure], q != 0)) return 0;
  const bool positive = coder.code(sign_[signs_][direction_ + kSteps], q > 0);
  const bool surprise = positive != (direction_ > 0);
  const uint32_t magnitude = static_cast<uint32_t>(std::abs(q)) - 1;

  // high + 1 has `order` + 1 binary digits. The order is coded in unary, then the digits after the first.
  const uint32_t wanted = (magnitude >> low_bits_) + 1;
  const auto digits = static_cast<uint32_t>(std::bit_width(wanted)) - 1;
  auto& order_bits = order_[scale_][surprise ? kSurest + 1 + sure : sure];
  uint32_t order = 0;
  while (order < kOrders - 1 && coder.code(order_bits[order], order < digits)) ++order;
  uint32_t high = 1;
  for (uint32_t left = order; left > 0; --left) {
    const bool bit = wanted >> (left - 1) & 1;
    if (left == order) {
      high = 2 + coder.code(top_[scale_][order], bit);
    } else if (order < kTreeOrders) {
      high = 2 * high + coder.code(rest_[positive][(1u << order) + high], bit);
    } else {
      high = high << left | coder.code_raw(left, wanted & ((1u << left) - 1));
      break;
    }
  }
  uint32_t low = 1;
  for (uint32_t left = low_bits_; left > 0; --left)
    low = 2 * low + coder.code(low_[positive][std::min(high, 16u) - 1].bits[low], magnitude >> (left - 1) & 1);
  const auto result = static_cast<int32_t>(((high - 1) << low_bits_) + low - (1u << low_bits_) + 1);
  return positive ? result : -result;
}

}  // namespace kindling
