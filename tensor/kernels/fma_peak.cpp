#include <kindling/tensor/kernels/fma_peak.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// Chains x <- x * factor + term that do not wait for each other. A result takes 4 cycles or so and up to two
// instructions start in each, so 8 chains would do; 12 leave slack and fit into 16 registers. They tend to 1, so
// nothing overflows or becomes denormal.
constexpr int kChains = 12;

template <int Bytes>
struct FloatVector {
  typedef float type __attribute__((vector_size(Bytes)));
};

// The same loop for each width, which a template could not give its own target.
#define KINDLING_FMA_CHAINS(NAME, BYTES, TARGET)                                                      \
  TARGET float NAME(int64_t repetitions, float factor, float term) {                                  \
    using V = FloatVector<BYTES>::type;                                                               \
    V chains[kChains];                                                                                \
    const V f = factor - V{}, t = term - V{};                                                         \
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) chains[i] = t * static_cast<float>(i); \
    for (int64_t r = 0; r < repetitions; ++r)                                                         \
      _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) chains[i] = chains[i] * f + t;       \
    V total = chains[0];                                                                              \
    _Pragma("GCC unroll 12") for (int i = 1; i < kChains; ++i) total += chains[i];                    \
    return total[0];                                                                                  \
  }

KINDLING_FMA_CHAINS(chains_baseline, 16, )
#if defined(__x86_64__)
KINDLING_FMA_CHAINS(chains_avx2, 32, __attribute__((target("avx2,fma"))))
KINDLING_FMA_CHAINS(chains_avx512, 64, __attribute__((target("avx512f,prefer-vector-width=512"))))
#endif
#undef KINDLING_FMA_CHAINS

struct Loop {
  float (*run)(int64_t repetitions, float factor, float term);
  int lanes;
};

Loop widest_loop() {
#if defined(__x86_64__)
  if (best_isa() == Isa::avx512) return {chains_avx512, 16};
  if (best_isa() == Isa::avx2) return {chains_avx2, 8};
#endif
  return {chains_baseline, 4};
}

}  // namespace

double sample_fma_peak() {
  constexpr int64_t kRepetitions = 1 << 17;  // 12 chains of those take 0.2 to 0.5 ms
  constexpr int64_t kRounds = 24;            // for each thread
  static std::atomic<float> keep;            // so that the compiler cannot leave the loop out
  const Loop loop = widest_loop();
  const int64_t rounds = kRounds * num_threads();
  const auto begin = Clock::now();
  parallel_for(rounds, 1, [&](int64_t, int64_t) { keep = loop.run(kRepetitions, 0.999F, 0.001F); });
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return 2.0 * kChains * loop.lanes * static_cast<double>(kRepetitions * rounds) / seconds * 1e-9;
}

}  // namespace kindling::kernels
