// What adaptive bits cost. Internal to io/.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include <kindling/io/range_coder.h>

namespace kindling {

/// -log2 of the probability that the bit has. Of bits that are nearly sure the range coder takes up
/// to 1e-4 more.
inline float bit_cost(const AdaptiveBit& model, bool bit) {
  constexpr uint32_t kShift = 3;  // 4096 probabilities: 16 KiB, which stay in the L1 cache
  static const auto kCosts = [] {
    std::array<float, (32768 >> kShift)> costs{};
    for (size_t i = 0; i < costs.size(); ++i)
      costs[i] = static_cast<float>(-std::log2((static_cast<double>(i) + 0.5) / static_cast<double>(costs.size())));
    return costs;
  }();
  const uint32_t p = model.probability();
  return kCosts[(bit ? p : 32767 - p) >> kShift];
}

}  // namespace kindling
