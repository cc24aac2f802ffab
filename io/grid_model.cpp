#include <kindling/io/grid_model.h>

namespace kindling {
namespace {

constexpr int32_t kClip = 1023;      // numbers beyond do not make the predictors' inputs larger
constexpr int64_t kBound = 1 << 18;  // of what is predicted, in 1/256: kClip
constexpr int64_t kLongest = 128;    // weights that a running mean of magnitudes remembers
constexpr int64_t kShortest = 8;     // the same of the mean of numbers, which changes along the rows

constexpr std::array<uint32_t, 32> kPerScale = [] {
  std::array<uint32_t, 32> result{};
  for (uint32_t i = 0; i < 32; ++i) {
    uint32_t d = (i + 6) / 2;
    uint32_t u = (i & 1 ? 7u : 5u) << (d - 2);
    result[i] = (4u << 16) / std::max(u, 40u);
  }
  return result;
}();

constexpr int32_t clip(int32_t q) { return std::clamp(q, -kClip, kClip); }

int sign(int32_t q) { return (q > 0) - (q < 0); }

/// The mean after another value; `count` values were before.
int32_t moved(int32_t mean, int32_t value, int64_t count) {
  return static_cast<int32_t>(mean +
                              (((static_cast<int64_t>(value) - mean) * kRates[static_cast<size_t>(count)]) >> 16));
}

/// The sum of the first n products.
template <size_t n, size_t size>
int64_t dot(const std::array<int32_t, size>& weights, const std::array<int32_t, size>& inputs) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<int64_t>(weights[i]) * inputs[i];
  return std::clamp(sum >> 16, -kBound, kBound);
}

/// Normalised least mean squares on the first n: weights += rate * error * inputs / (|inputs|^2 +
/// more). The divisor is rounded up to a power of 2, and the rate is 2^(log_rate - 16). Weights
/// that leave the 32 bits wrap around, which only a file that was made for it gets them to.
template <size_t n, size_t size>
void adapt(std::array<int32_t, size>& weights, const std::array<int32_t, size>& inputs, int64_t error, int log_rate,
           int64_t more) {
  if (error == 0) return;
  uint64_t power = static_cast<uint64_t>(more);
  for (size_t i = 0; i < n; ++i) power += static_cast<uint64_t>(static_cast<int64_t>(inputs[i]) * inputs[i]);
  const int64_t step = (error * (int64_t{1} << (log_rate + 16))) >> std::bit_width(power);
  for (size_t i = 0; i < n; ++i)
    weights[i] =
        static_cast<int32_t>(static_cast<uint32_t>(weights[i]) + static_cast<uint32_t>((step * inputs[i]) >> 16));
}

}  // namespace

void GridModel::begin(const GridShape& shape, uint32_t low_bits) {
  shape_ = shape;
  low_bits_ = low_bits;
  columns_.assign(static_cast<size_t>(shape.columns * shape.taps), {});
  taps_.assign(static_cast<size_t>(shape.taps), {});
  for (int64_t t = 0; t < shape.taps; ++t) {
    const int64_t w = shape.width, x = t % w;
    const auto before = [&](bool is_inside, int64_t distance) {
      return is_inside ? static_cast<int32_t>(distance) : 0;
    };
    taps_[static_cast<size_t>(t)].neighbours = {before(x >= 1, 1),
                                                before(t >= w, w),
                                                before(x >= 2, 2),
                                                before(t >= 2 * w, 2 * w),
                                                before(t >= w && x >= 1, w + 1),
                                                before(t >= w && x + 1 < w, w - 1)};
  }
  row_ = column_ = tap_ = 0;
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
  if (shape.rows > 0 && shape.columns > 0 && shape.taps > 0) shape.taps > 1 ? predict<true>() : predict<false>();
}

template <bool has_kernel>
void GridModel::predict() {
  Tap& tap = taps_[static_cast<size_t>(tap_)];
  Column* const here = &columns_[static_cast<size_t>(column_ * shape_.taps + tap_)];
  if (column_ == 0) tap.row_mean = tap.mean;
  if (row_ == 0) here->magnitude = tap.mean;
  inputs_[0] = 256 * here->above;
  inputs_[1] = here->mean >> 8;
  magnitudes_[0] = tap.row_mean >> 8;
  magnitudes_[1] = here->magnitude >> 8;
  signs_ = 4;
  if constexpr (has_kernel) {
    for (size_t i = 0; i < tap.neighbours.size(); ++i) {
      const int32_t distance = tap.neighbours[i];
      inputs_[i + 2] = distance == 0 ? 0 : 256 * here[-distance].above;
      if (i < 4) magnitudes_[i + 2] = std::abs(inputs_[i + 2]);
    }
    signs_ += 3 * sign(inputs_[2]) + sign(inputs_[3]);
  }
  expected_ = dot < has_kernel ? kInputs : 2 > (tap.weights, inputs_);
  expected_magnitude_ = dot < has_kernel ? kMagnitudes : 2 > (tap.magnitude_weights, magnitudes_);

  const auto scale = static_cast<uint32_t>(std::max<int64_t>(expected_magnitude_, 0));
  const uint32_t v = scale + 13;  // 1/20: a scale so small is as good as 0
  const int digits = std::bit_width(v) - 1;
  scale_ = std::min(2 * digits + static_cast<int>(v >> (digits - 1) & 1) - 6, kScales - 1);
  const auto steps =
      (static_cast<uint64_t>(std::abs(expected_)) * kPerScale[static_cast<size_t>(scale_)] + (1 << 15)) >> 16;
  direction_ = static_cast<int>(std::min<uint64_t>(steps, kSteps)) * (expected_ < 0 ? -1 : 1);
}

void GridModel::advance(int32_t q) {
  const bool has_kernel = shape_.taps > 1;
  has_kernel ? learn<true>(clip(q)) : learn<false>(clip(q));
  if (++tap_ == shape_.taps) {
    tap_ = 0;
    if (++column_ == shape_.columns) {
      column_ = 0;
      if (++row_ == shape_.rows) return;
    }
  }
  has_kernel ? predict<true>() : predict<false>();
}

template <bool has_kernel>
void GridModel::learn(int32_t q) {
  Tap& tap = taps_[static_cast<size_t>(tap_)];
  Column& here = columns_[static_cast<size_t>(column_ * shape_.taps + tap_)];
  const int32_t magnitude = std::abs(q);
  adapt<has_kernel ? kInputs : 2>(tap.weights, inputs_, 256 * q - expected_, 14, kInputs * power_ + (1 << 16));
  adapt<has_kernel ? kMagnitudes : 2>(tap.magnitude_weights, magnitudes_, 256 * magnitude - expected_magnitude_, 10,
                                      6554);
  power_ += ((int64_t{q} * q * (1 << 16)) - power_) >> 7;
  tap.mean = moved(tap.mean, magnitude << 16, std::min<int64_t>(row_ * shape_.columns + column_, 500));
  tap.row_mean = moved(tap.row_mean, magnitude << 16, std::min<int64_t>(column_ + 2, kLongest));
  here.magnitude = moved(here.magnitude, magnitude << 16, std::min(row_ + 2, kLongest));
  here.mean = moved(here.mean, q * (1 << 16), std::min(row_ + 1, kShortest));
  here.above = q;
}

}  // namespace kindling
