// What the range coder expects of the next weight: the statistics of quantised weights, learned while they are coded.
// Internal to io/; a quantiser asks GridRate (grid_rate.h). docs/kndz.md specifies every step.
//
// A tensor is `rows` outputs x `columns` inputs x `taps` of a kernel, coded in this order. Two linear predictors, one
// for the weight and one for its magnitude, look at the neighbours in the kernel, at the row above and at running
// means. They are learned on the way by normalised least mean squares, one pair for each tap. The predictions, in
// coarse steps, choose the adaptive bits that code the weight.
//
// A decoder's time is what the next number has to wait for. So nothing but the neighbours in the kernel depends on the
// number before: its slot (see below) learns from it while the next one is decoded.
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
  /// bits are coded one by one (of them the last two as they are), and the rest by its order of
  /// magnitude.
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
  static constexpr int kScales = 32, kSurest = 9, kSteps = 12, kOrders = 20;
  static constexpr int kTreeOrders = 8;       // from this order on, digits after the second are raw
  static constexpr uint32_t kRawLowBits = 2;  // the last of the low bits: all values of them are alike
  static constexpr uint32_t kTreeLowBits = 6;

  /// Eight numbers in 1/128, or eight weights of a predictor in 1/8192.
  typedef int16_t Lanes __attribute__((vector_size(16)));

  /// Running means of one input and tap, in 1/65536.
  struct Column {
    int32_t mean = 0;
    int32_t magnitude = 0;
  };
  /// The predictors of each tap. A tensor of one tap has two slots, for even and for odd columns.
  struct Slot {
    Lanes weights{};
    Lanes magnitude_weights{1 << 12, 1 << 12};
    Lanes inside{};                         // which inputs exist: not the neighbours outside of the kernel
    std::array<ptrdiff_t, 6> neighbours{};  // where: so many places away
    int32_t mean = 1 << 16;                 // of the magnitudes, one row after the other; in 1/65536
    int32_t row_mean = 0;                   // of those of this row
    uint32_t row_count = 0;                 // how many these are

    // Of its next number:
    Lanes inputs{}, magnitudes{};
    int32_t expected = 0, expected_magnitude = 0;  // in 1/256
    int scale = 0;                                 // of the magnitude: two steps for each doubling
    int direction = 0;                             // the expected number by the expected magnitude, in quarters
  };
  struct Low {
    std::array<AdaptiveBit, 1 << kTreeLowBits> bits;
  };

  void begin_row();
  void end_row();
  void predict(Slot& slot, size_t at);
  void learn(Slot& slot, size_t at, int32_t level);

  GridShape shape_;
  uint32_t low_bits_ = 0;
  bool has_kernel_ = false;
  size_t row_length_ = 0, slot_count_ = 0;
  std::vector<int16_t> above_;  // the numbers of the row above; of this row, once they are coded; in 1/128
  std::vector<Column> columns_;
  std::vector<Slot> slots_;
  int64_t row_ = 0;
  size_t at_ = 0, slot_ = 0;                    // the next number's place in the row, and its slot
  int32_t power_ = 1 << 16;                     // running mean of the squares, in 1/65536
  int32_t mean_rate_ = 0, magnitude_rate_ = 0;  // of the columns' means, in this row

  std::array<std::array<AdaptiveBit, kSurest + 1>, kScales> zero_;
  std::array<std::array<AdaptiveBit, 2 * kSteps + 1>, 9> sign_;
  std::array<std::array<std::array<AdaptiveBit, kOrders>, 2 * kSurest + 2>, kScales> order_;
  std::array<std::array<AdaptiveBit, kOrders>, kScales> top_;
  std::array<std::array<AdaptiveBit, 1 << kTreeOrders>, 2> rest_;
  std::array<std::array<Low, 16>, 2> low_;
};

// Inlined, so that a decoder's state stays in registers.
template <class Coder>
inline __attribute__((always_inline)) int32_t GridModel::code(Coder& coder, int32_t q) {
  const auto sign = [](int16_t x) { return (x > 0) - (x < 0); };
  const Slot& slot = slots_[slot_];
  const int sure = std::min(std::abs(slot.direction), kSurest);
  if (!coder.code(zero_[slot.scale][sure], q != 0)) return 0;
  const int neighbours = 4 + 3 * sign(slot.inputs[2]) + sign(slot.inputs[3]);
  const bool positive = coder.code(sign_[neighbours][slot.direction + kSteps], q > 0);
  const bool surprise = positive != (slot.direction > 0);
  const uint32_t magnitude = static_cast<uint32_t>(std::abs(q)) - 1;

  // high + 1 has `order` + 1 binary digits. The order is coded in unary, then the digits after the first.
  const uint32_t wanted = (magnitude >> low_bits_) + 1;
  const auto digits = static_cast<uint32_t>(std::bit_width(wanted)) - 1;
  auto& order_bits = order_[slot.scale][surprise ? kSurest + 1 + sure : sure];
  uint32_t order = 0;
  while (order < kOrders - 1 && coder.code(order_bits[order], order < digits)) ++order;
  uint32_t high = 1;
  for (uint32_t left = order; left > 0; --left) {
    const bool bit = wanted >> (left - 1) & 1;
    if (left == order) {
      high = 2 + coder.code(top_[slot.scale][order], bit);
    } else if (order < kTreeOrders) {
      high = 2 * high + coder.code(rest_[positive][(1u << order) + high], bit);
    } else {
      high = high << left | coder.code_raw(left, wanted & ((1u << left) - 1));
      break;
    }
  }
  uint32_t low = 1, left = low_bits_;
  auto& low_bits = low_[positive][std::min(high, 16u) - 1].bits;
  for (; left > kRawLowBits; --left) low = 2 * low + coder.code(low_bits[low], magnitude >> (left - 1) & 1);
  low = low << left | coder.code_raw(left, magnitude & ((1u << left) - 1));
  const auto result = static_cast<int32_t>(((high - 1) << low_bits_) + low - (1u << low_bits_) + 1);
  return positive ? result : -result;
}

}  // namespace kindling
