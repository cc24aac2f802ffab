// Counter-based random numbers: any element of a stream can be drawn without the ones before it.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <kindling/tensor/shape.h>

namespace kindling {

namespace detail {
/// `x` of [low, high) as a T below `high`. One u of some 2^25 in [0, 1) is rounded up to 1 when it
/// becomes a float, as the last step in front of `high` is 2^-24 wide and half of it rounds up; in
/// double low + (high - low) u is rounded in the same way. Such a draw gets the largest T below
/// `high` instead, and all others stay what they are. Where there is nothing between low and high,
/// x is what remains.
template <class T>
T below(double high, double low, double x) {
  const T rounded = static_cast<T>(x);
  if (static_cast<double>(rounded) < high || !(low < high)) [[likely]]
    return rounded;
  return std::nextafter(static_cast<T>(high), static_cast<T>(low));
}
}  // namespace detail

/// A stream of random numbers by Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011). Its element i is a function of (seed, stream, i) alone. So the bits depend
/// neither on the order of drawing nor on the number of threads.
class Rng {
 public:
  explicit Rng(uint64_t seed = 0, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// A stream that is independent of this one and of its forks by other ids. Draws nothing from
  /// this stream.
  Rng fork(uint64_t id) const;
  /// fork() with the next element of this stream as id. So each call gives another stream.
  Rng split() { return fork(next_bits()); }

  /// Element `index` of the stream: 64 uniform bits.
  uint64_t bits(uint64_t index) const;
  /// Element `index` as a number uniform in [0, 1), a multiple of 2^-53.
  double uniform(uint64_t index) const;
  /// Element `index` as a standard normal number (Box-Muller).
  double normal(uint64_t index) const;

  /// The next element in sequence.
  uint64_t next_bits() { return bits(position_++); }
  double next_uniform() { return uniform(position_++); }
  /// In [low, high); `low` where that is empty.
  double next_uniform(double low, double high) {
    return detail::below<double>(high, low, low + (high - low) * next_uniform());
  }
  double next_normal() { return normal(position_++); }
  /// Uniform in {0, ..., n - 1}, without bias (Lemire's multiplication with rejection). `n` > 0.
  int64_t next_below(int64_t n);

  uint64_t seed() const { return seed_; }
  uint64_t stream() const { return stream_; }
  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }

 private:
  std::array<uint32_t, 4> block(uint64_t index) const;

  uint64_t seed_;
  uint64_t stream_;
  uint64_t position_ = 0;
};

/// {0, ..., n - 1} in a random order (Fisher-Yates).
std::vector<int64_t> permutation(int64_t n, Rng rng);

}  // namespace kindling
