// The random number generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace kindling::kernels {

namespace {  // a copy of its own for each instruction set: see table.inc

constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

/// Ten rounds of multiplications, keyed by `seed`. x is the counter of a block before, and its four
/// random words after. The constants are from section 4 of the paper.
inline void philox(uint32_t (&x)[4], uint64_t seed) {
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, key0 += kWeyl0, key1 += kWeyl1) {
    const uint64_t product0 = kMultiplier0 * x[0], product1 = kMultiplier1 * x[2];
    x[0] = static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0;
    x[1] = static_cast<uint32_t>(product1);
    x[2] = static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1;
    x[3] = static_cast<uint32_t>(product0);
  }
}

/// Words of eight blocks, in the lower halves of 64 bits. The product of two words fits into 64
/// bits. The upper halves are never used.
typedef uint64_t Words __attribute__((vector_size(64)));
constexpr uint64_t kLower = 0xFFFFFFFF;

/// product = lower half of x times `factor`. It goes by reference, because there is no common way
/// to pass a vector that is wider than those of the instruction set.
inline __attribute__((always_inline)) void multiply_words(Words& product, const Words& x, uint64_t factor) {
#if defined(__AVX512F__)
  // The masked form: GCC 12 would warn of the other's undefined operand (PR 105593).
  product = reinterpret_cast<Words>(
      _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(Words{} + factor)));
#else
  product = (x & kLower) * factor;
#endif
}

/// The same for eight blocks.
inline __attribute__((always_inline)) void philox(Words (&x)[4], uint64_t seed) {
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, key0 += kWeyl0, key1 += kWeyl1) {
    Words product0, product1;
    multiply_words(product0, x[0], kMultiplier0);
    multiply_words(product1, x[2], kMultiplier1);
    x[0] = (product1 >> 32) ^ x[1] ^ key0;
    x[1] = product1;
    x[2] = (product0 >> 32) ^ x[3] ^ key1;
    x[3] = product0;
  }
}

/// y[i] = 0 if the 32 bits of element first + i of the stream are below `threshold`, else `kept`.
/// Element j is word j % 4 of block j / 4.
template <class T>
void dropout_mask(int64_t n, T* y, T kept, uint32_t threshold, uint64_t seed, uint64_t stream, uint64_t first) {
  constexpr int64_t kWords = 32;  // of eight blocks
  int64_t skip = static_cast<int64_t>(first % 4);
  for (uint64_t block = first / 4; n > 0; block += kWords / 4) {
    const Words index = block + Words{0, 1, 2, 3, 4, 5, 6, 7};
    Words x[4] = {index, index >> 32, Words{} + stream, Words{} + (stream >> 32)};
    philox(x, seed);
    const Words first_two = (x[0] & kLower) | (x[1] << 32), last_two = (x[2] & kLower) | (x[3] << 32);
    const Words halves[2] = {__builtin_shufflevector(first_two, last_two, 0, 8, 1, 9, 2, 10, 3, 11),
                             __builtin_shufflevector(first_two, last_two, 4, 12, 5, 13, 6, 14, 7, 15)};
    uint32_t bits[kWords];
    __builtin_memcpy(bits, halves, sizeof bits);
    const int64_t left = kWords - skip, count = n < left ? n : left;
    if (count == kWords) {  // a constant number, so that the compiler has it in a few vectors
      for (int64_t i = 0; i < kWords; ++i) y[i] = bits[i] < threshold ? T(0) : kept;
    } else {
      for (int64_t i = 0; i < count; ++i) y[i] = bits[skip + i] < threshold ? T(0) : kept;
    }
    y += count, n -= count, skip = 0;
  }
}

}  // namespace
}  // namespace kindling::kernels
