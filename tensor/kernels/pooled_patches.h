// The gradient of a convolution's weights, where its map is max pooled: a sum over the pixels that the pooling took.
#pragma once

#include <cstdint>
#include <utility>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

/// A row of pooled pixels. Of window j, the pooling took tap argmax[j, c] for channel c. What the
/// convolution saw at that pixel is a patch of `width` elements, the first of which is
/// patches[j * step + taps[argmax[j, c]]].
template <class T>
struct PooledPatches {
  int64_t pixels, channels;
  const T* grad;  ///< [pixels, channels]; rows of it, and of argmax, lie `ld` apart
  const uint8_t* argmax;
  int64_t ld;
  const T* patches;
  int64_t step;  ///< elements from one window to the next
  const int64_t* taps;
  int64_t width;  ///< whole vectors
};

namespace {  // a copy of its own for each instruction set: see table.inc

/// sums[c, k] += sum over pixels j of grad[j, c] * patch(j, c)[k], as loops.
template <class T>
void naive_add_pooled_patches(const PooledPatches<T>& p, T* sums) {
  for (int64_t j = 0; j < p.pixels; ++j)
    for (int64_t c = 0; c < p.channels; ++c)
      for (int64_t k = 0; k < p.width; ++k)
        sums[c * p.width + k] += p.grad[j * p.ld + c] * p.patches[j * p.step + p.taps[p.argmax[j * p.ld + c]] + k];
}

// The same for `Count` vectors of the patches from element `first` on. Every pixel leads to another patch for every
// channel, so there is no tile: a channel's sums stay in registers while it walks over the pixels, with Count + 3 loads
// for Count multiply-adds.
template <class T, int Count>
__attribute__((noinline)) void add_pooled_vectors(const PooledPatches<T>& p, int64_t first, T* sums) {
  using V = typename Simd<T>::vector;
  constexpr int64_t L = kLanes<T>;
  // Sets of sums in turn: with few vectors, an addition would wait for the one before (4 clocks).
  constexpr int kTurns = Count <= 4 ? 2 : 1;
  for (int64_t c = 0; c < p.channels; ++c) {
    V total[kTurns][Count] = {};
    const T* grad = p.grad + c;
    const uint8_t* argmax = p.argmax + c;
    const T* window = p.patches + first;
    const auto add_pixel = [&](V(&to)[Count]) __attribute__((always_inline)) {
      const T* const patch = window + p.taps[*argmax];
      const V g = broadcast(*grad);
#pragma GCC unroll 8
      for (int v = 0; v < Count; ++v) to[v] += g * load(patch + v * L);
      grad += p.ld;
      argmax += p.ld;
      window += p.step;
    };
    int64_t j = 0;
    for (; j + kTurns <= p.pixels; j += kTurns)
#pragma GCC unroll 2
      for (int turn = 0; turn < kTurns; ++turn) add_pixel(total[turn]);
    if (j < p.pixels) add_pixel(total[0]);
    T* const to = sums + c * p.width + first;
#pragma GCC unroll 8
    for (int v = 0; v < Count; ++v)
      store(to + v * L, load(to + v * L) + (kTurns == 2 ? total[0][v] + total[kTurns - 1][v] : total[0][v]));
  }
}

// One function per number of vectors, in a table: entry i has i + 1 vectors.
template <class T, int... Vector>
void run_pooled_vectors(int64_t count, const PooledPatches<T>& p, int64_t first, T* sums,
                        std::integer_sequence<int, Vector...>) {
  static constexpr void (*kCounts[])(const PooledPatches<T>&, int64_t, T*) = {add_pooled_vectors<T, Vector + 1>...};
  kCounts[count - 1](p, first, sums);
}

/// The same for whole patches, at most 8 vectors at a time.
template <class T>
void add_pooled_patches(const PooledPatches<T>& p, T* sums) {
  constexpr int kMost = 8;  // half of the registers of AVX2 and SSE
  const int64_t vectors = p.width / kLanes<T>, groups = (vectors + kMost - 1) / kMost;
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t begin = i * vectors / groups, end = (i + 1) * vectors / groups;
    run_pooled_vectors(end - begin, p, begin * kLanes<T>, sums, std::make_integer_sequence<int, kMost>{});
  }
}

}  // namespace
}  // namespace kindling::kernels
