#include <kindling/io/grid_model.h>

namespace kindling {
namespace {

constexpr int32_t kClip = 127;     // numbers beyond do not make the predictors' inputs larger
constexpr int64_t kLongest = 128;  // weights that a running mean of magnitudes remembers
constexpr int64_t kShortest = 8;   // the same of the mean of numbers, which changes along the rows

constexpr std::array<uint32_t, 32> kPerScale = [] {
  std::array<uint32_t, 32> result{};
  for (uint32_t i = 0; i < 32; ++i) {
    uint32_t d = (i + 6) / 2;
    uint32_t u = (i & 1 ? 7u : 5u) << (d - 2);
    result[i] = (4u << 16) / std::max(u, 40u);
  }
  return result;
}();

int32_t rate_after(int64_t count, int64_t longest) { return kRates[static_cast<size_t>(std::min(count, longest))]; }

/// Moves a running mean to `value`; both in 1/65536.
void move(int32_t& mean, int32_t value, int32_t rate) {
  mean += static_cast<int32_t>((static_cast<int64_t>(value - mean) * rate) >> 16);
}

typedef int16_t Lanes __attribute__((vector_size(16)));
typedef uint16_t UnsignedLanes __attribute__((vector_size(16)));
using Array = std::array<int16_t, 8>;  // the compiler sees through a loop over one: it becomes one instruction

/// The sum of the products, as a 32-bit integer that wraps around.
inline __attribute__((always_inline)) int32_t dot(Lanes a, Lanes b) {
  const auto x = std::bit_cast<Array>(a), y = std::bit_cast<Array>(b);
  uint32_t sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += static_cast<uint32_t>(int32_t{x[i]} * y[i]);
  return static_cast<int32_t>(sum);
}

/// (a b + 2^15) >> 16, of each lane.
inline __attribute__((always_inline)) UnsignedLanes scaled(Lanes a, Lanes b) {
  const auto x = std::bit_cast<Array>(a), y = std::bit_cast<Array>(b);
  Array high;
  for (size_t i = 0; i < x.size(); ++i) high[i] = static_cast<int16_t>((int32_t{x[i]} * y[i]) >> 16);
  const auto rounding = reinterpret_cast<UnsignedLanes>(a) * reinterpret_cast<UnsignedLanes>(b) >> 15;
  return std::bit_cast<UnsignedLanes>(high) + rounding;
}

/// Least mean squares: weights += 2^(log_rate - 16) * error * inputs. The step is bounded; weights
/// that leave the 16 bits wrap around, which only a file that was made for it gets them to.
inline __attribute__((always_inline)) void adapt(Lanes& weights, Lanes inputs, int32_t error, int log_rate) {
  const int64_t step = (error * (int64_t{1} << 32)) >> (32 - log_rate);
  const Lanes steps = Lanes{} + static_cast<int16_t>(std::clamp<int64_t>(step, -32767, 32767));
  weights = reinterpret_cast<Lanes>(reinterpret_cast<UnsignedLanes>(weights) + scaled(inputs, steps));
}

}  // namespace

void GridModel::begin(const GridShape& shape, uint32_t low_bits) {
  shape_ = shape;
  low_bits_ = low_bits;
  has_kernel_ = shape.taps > 1;
  above_.assign(static_cast<size_t>(shape.columns * shape.taps), 0);
  columns_.assign(above_.size(), {});
  slots_.assign(static_cast<size_t>(std::max<int64_t>(shape.taps, 2)), {});
  for (int64_t t = 0; t < shape.taps; ++t) {
    Slot& slot = slots_[static_cast<size_t>(t)];
    const int64_t w = shape.width, x = t % w;
    const auto before = [&](int lane, bool is_inside, int64_t distance) {
      slot.inside[lane] = is_inside ? -1 : 0;
      slot.neighbours[static_cast<size_t>(lane - 2)] = slot.inside[lane] * distance;
    };
    before(2, x >= 1, 1);
    before(3, t >= w, w);
    before(4, x >= 2, 2);
    before(5, t >= 2 * w, 2 * w);
    before(6, t >= w && x >= 1, w + 1);
    before(7, t >= w && x + 1 < w, w - 1);
  }
  row_length_ = above_.size();
  slot_count_ = slots_.size();
  row_ = 0;
  power_ = 1 << 16;
  const auto loosen = [](auto& self, auto& bits) -> void {
    if constexpr (requires { bits.loosen(); })
      bits.loosen();
    else
      for (auto& inner : bits) self(self, inner);
  };
  loosen(loosen, zero_), loosen(loosen, sign_), loosen(loosen, order_), loosen(loosen, top_), loosen(loosen, rest_);
  for (auto& of_sign : low_)
    for (Low& low : of_sign) loosen(loosen, low.bits);
  if (shape.numel() > 0) begin_row();
}

void GridModel::begin_row() {
  at_ = slot_ = 0;
  mean_rate_ = rate_after(row_ + 1, kShortest);
  magnitude_rate_ = rate_after(row_ + 2, kLongest);
  for (Slot& slot : slots_) {
    slot.row_mean = slot.mean;
    slot.row_count = 0;
  }
  predict(slots_[0], 0);
}

void GridModel::end_row() {
  for (Slot& slot : slots_) move(slot.mean, slot.row_mean, rate_after(row_, kLongest));
  if (++row_ < shape_.rows) begin_row();
}

inline __attribute__((always_inline)) void GridModel::predict(Slot& slot, size_t at) {
  const int16_t* const here = &above_[at];
  Column& column = columns_[at];
  if (row_ == 0) column.magnitude = slot.row_mean;
  Lanes near{};
  if (has_kernel_) {
    const auto& n = slot.neighbours;
    near = Lanes{0, 0, here[n[0]], here[n[1]], here[n[2]], here[n[3]], here[n[4]], here[n[5]]} & slot.inside;
  }
  slot.inputs = near | Lanes{*here, static_cast<int16_t>(column.mean >> 9)};
  slot.magnitudes = (near < 0 ? -near : near) |
                    Lanes{static_cast<int16_t>(slot.row_mean >> 9), static_cast<int16_t>(column.magnitude >> 9)};
  slot.expected = dot(slot.weights, slot.inputs) >> 12;
  slot.expected_magnitude = dot(slot.magnitude_weights, slot.magnitudes) >> 12;

  const auto v = static_cast<uint32_t>(std::max(slot.expected_magnitude, 0)) + 13;  // 1/20: as good as 0
  const int digits = std::bit_width(v) - 1;
  slot.scale = std::min(2 * digits + static_cast<int>(v >> (digits - 1) & 1) - 6, kScales - 1);
  const uint32_t per_scale = kPerScale[static_cast<size_t>(slot.scale)];
  const auto steps = (static_cast<uint64_t>(std::abs(slot.expected)) * per_scale + (1 << 15)) >> 16;
  slot.direction = static_cast<int>(std::min<uint64_t>(steps, kSteps)) * (slot.expected < 0 ? -1 : 1);
}

/// The number at `at` was `level`, in 1/128.
inline __attribute__((always_inline)) void GridModel::learn(Slot& slot, size_t at, int32_t level) {
  const int32_t magnitude = std::abs(level);
  const int digits = std::bit_width(4 * static_cast<uint32_t>(power_) + (1 << 14));
  adapt(slot.weights, slot.inputs, 2 * level - slot.expected, 26 - digits);
  if (has_kernel_) adapt(slot.magnitude_weights, slot.magnitudes, 2 * magnitude - slot.expected_magnitude, 24 - digits);
  power_ += (4 * level * level - power_) >> 7;
  move(slot.row_mean, magnitude << 9, rate_after(slot.row_count++ + 2, kLongest));
  move(columns_[at].magnitude, magnitude << 9, magnitude_rate_);
  move(columns_[at].mean, level * (1 << 9), mean_rate_);
}

void GridModel::advance(int32_t q) {
  const int32_t level = 128 * std::clamp(q, -kClip, kClip);
  const size_t at = at_++;
  Slot& slot = slots_[slot_];
  above_[at] = static_cast<int16_t>(level);
  if (at_ == row_length_) {
    learn(slot, at, level);
    end_row();
  } else {
    if (++slot_ == slot_count_) slot_ = 0;
    predict(slots_[slot_], at_);  // first: a decoder waits for it
    learn(slot, at, level);
  }
}

}  // namespace kindling
