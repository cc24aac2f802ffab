// The random number generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cstdint>

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

/// Ten rounds of multiplying, keyed by `seed`, of Lanes blocks at once: x[0 ... 3][lane] are a block's counter before
/// and its four random words afterwards. Constants from section 4 of the paper.
template <int Lanes>
inline void philox(uint32_t (&x)[4][Lanes], uint64_t seed) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, key0 += kWeyl0, key1 += kWeyl1)
    for (int lane = 0; lane < Lanes; ++lane) {
      const uint64_t product0 = kMultiplier0 * x[0][lane], product1 = kMultiplier1 * x[2][lane];
      x[0][lane] = static_cast<uint32_t>(product1 >> 32) ^ x[1][lane] ^ key0;
      x[1][lane] = static_cast<uint32_t>(product1);
      x[2][lane] = static_cast<uint32_t>(product0 >> 32) ^ x[3][lane] ^ key1;
      x[3][lane] = static_cast<uint32_t>(product0);
    }
}

/// y[i] = 0 if the 32 bits of element first + i of the stream are below `threshold`, else `kept`. Element j is word
/// j % 4 of block j / 4.
template <class T>
void dropout_mask(int64_t n, T* y, T kept, uint32_t threshold, uint64_t seed, uint64_t stream, uint64_t first) {
  constexpr int kLanes = 16;
  int64_t skip = static_cast<int64_t>(first % 4);
  for (uint64_t block = first / 4; n > 0; block += kLanes) {
    uint32_t x[4][kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint64_t index = block + static_cast<uint64_t>(lane);
      x[0][lane] = static_cast<uint32_t>(index);
      x[1][lane] = static_cast<uint32_t>(index >> 32);
      x[2][lane] = static_cast<uint32_t>(stream);
      x[3][lane] = static_cast<uint32_t>(stream >> 32);
    }
    philox(x, seed);
    T mask[4 * kLanes];
    for (int lane = 0; lane < kLanes; ++lane)
      for (int word = 0; word < 4; ++word) mask[4 * lane + word] = x[word][lane] < threshold ? T(0) : kept;
    const int64_t left = 4 * kLanes - skip, count = n < left ? n : left;
    for (int64_t i = 0; i < count; ++i) y[i] = mask[skip + i];
    y += count, n -= count, skip = 0;
  }
}

}  // namespace
}  // namespace kindling::kernels
