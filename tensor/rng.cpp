#include <kindling/tensor/rng.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include <kindling/tensor/kernels/philox.h>

namespace kindling {
namespace {
__extension__ using uint128 = unsigned __int128;
}

std::array<uint32_t, 4> Rng::block(uint64_t index) const {
  uint32_t x[4] = {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(stream_),
                   static_cast<uint32_t>(stream_ >> 32)};
  kernels::philox(x, seed_);
  return {x[0], x[1], x[2], x[3]};
}

uint64_t Rng::bits(uint64_t index) const {
  const auto x = block(index);
  return (static_cast<uint64_t>(x[1]) << 32) | x[0];
}

Rng Rng::fork(uint64_t id) const {
  // The last two words of a block are never handed out by bits(), so the name of a fork cannot repeat an element.
  const auto x = block(id);
  return Rng(seed_, (static_cast<uint64_t>(x[3]) << 32) | x[2]);
}

double Rng::uniform(uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1p-53; }

double Rng::normal(uint64_t index) const {
  const auto x = block(index);
  const double u = (x[0] + 1.0) * 0x1p-32;  // (0, 1]: its logarithm is finite
  const double v = x[1] * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

int64_t Rng::next_below(int64_t n) {
  check(n > 0, "next_below", "needs a positive bound, got ", n);
  const auto bound = static_cast<uint64_t>(n);
  const uint64_t threshold = -bound % bound;
  for (;;) {
    const auto product = static_cast<uint128>(next_bits()) * bound;
    if (static_cast<uint64_t>(product) >= threshold) return static_cast<int64_t>(product >> 64);
  }
}

std::vector<int64_t> permutation(int64_t n, Rng rng) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(rng.next_below(i + 1))]);
  return order;
}

}  // namespace kindling
