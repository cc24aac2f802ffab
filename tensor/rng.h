// Counter-based random numbers: any element of a stream can be drawn without the ones before it.
#pragma once

#include <array>
#include <cstdint>

#include <kindling/tensor/shape.h>

namespace kindling {

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
  double next_uniform(double low, double high) { return low + (high - low) * next_uniform(); }
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
