// Vectors as GCC's extension has them, as wide as the instruction set that a file is compiled for.
#pragma once

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>  // for what the extension lacks: loads and stores under a mask
#endif

namespace kindling::kernels {

#if !defined(KINDLING_VECTOR_BYTES)
#define KINDLING_VECTOR_BYTES 16  // SSE2, and what every other processor's compiler can make of it
#endif

namespace {  // a copy of its own for each instruction set: see table.inc

template <class T>
struct Simd;
template <>
struct Simd<float> {
  typedef float vector __attribute__((vector_size(KINDLING_VECTOR_BYTES)));
  typedef float unaligned __attribute__((vector_size(KINDLING_VECTOR_BYTES), aligned(4), may_alias));
  // Of as many lanes. Comparisons give such a vector.
  typedef int32_t integers __attribute__((vector_size(KINDLING_VECTOR_BYTES)));
};
template <>
struct Simd<double> {
  typedef double vector __attribute__((vector_size(KINDLING_VECTOR_BYTES)));
  typedef double unaligned __attribute__((vector_size(KINDLING_VECTOR_BYTES), aligned(8), may_alias));
  typedef int64_t integers __attribute__((vector_size(KINDLING_VECTOR_BYTES)));
};
template <class T>
inline constexpr int kLanes = KINDLING_VECTOR_BYTES / static_cast<int>(sizeof(T));

template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector broadcast(T x) {
  return x - typename Simd<T>::vector{};  // the extension's only way from a number to a vector; x - 0 is x, also for -0
}
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector load(const T* p) {
  return *reinterpret_cast<const typename Simd<T>::unaligned*>(p);
}
/// The same where p is a multiple of a vector's size: then SSE2 multiplies by what is in memory.
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector load_aligned(const T* p) {
  return *reinterpret_cast<const typename Simd<T>::vector*>(p);
}
template <class T>
inline __attribute__((always_inline)) void store(T* p, typename Simd<T>::vector v) {
  *reinterpret_cast<typename Simd<T>::unaligned*>(p) = v;
}

/// a > b ? a : b in every lane: b where one of the two is NaN.
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector larger_of(typename Simd<T>::vector a,
                                                                         typename Simd<T>::vector b) {
#if defined(__AVX512F__)  // GCC 12 would make two instructions of the expression below
  if constexpr (sizeof(T) == 4)
    return _mm512_maskz_max_ps(0xffff, a, b);  // not _mm512_max_ps: see load_bytes
  else
    return _mm512_maskz_max_pd(0xff, a, b);
#else
  return a > b ? a : b;
#endif
}
/// x, but 0 where it is below 0. NaN stays NaN.
template <class V>
inline __attribute__((always_inline)) V relu_of(V x) {
  return x < V{} ? V{} : x;
}
/// Whether any lane is NaN.
template <class T>
inline __attribute__((always_inline)) bool any_nan(typename Simd<T>::vector x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) != 0;
  else
    return _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q) != 0;
#else
  const typename Simd<T>::integers unordered = x != x;
  int64_t halves[KINDLING_VECTOR_BYTES / 8], any = 0;
  __builtin_memcpy(halves, &unordered, sizeof halves);
  for (const int64_t half : halves) any |= half;
  return any != 0;
#endif
}

// Copies n elements, n < 2 * Most, as pieces of Most, Most / 2, ..., 1 of them: no loop, and no store that a later load
// would have to wait for.
template <int Most, class T>
inline __attribute__((always_inline)) void copy_first(T* to, const T* from, int64_t n) {
  if ((n & Most) != 0) {
    __builtin_memcpy(to, from, Most * sizeof(T));
    to += Most;
    from += Most;
  }
  if constexpr (Most > 1) copy_first<Most / 2>(to, from, n);
}

/// p[0] ... p[n - 1], then zeros; nothing else is read. 0 <= n <= lanes.
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector load_first(const T* p, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1), p);
  else
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << n) - 1), p);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    const typename Simd<T>::integers lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(lane < static_cast<int32_t>(n)));
  } else {
    const typename Simd<T>::integers lane = {0, 1, 2, 3};
    return _mm256_maskload_pd(p, reinterpret_cast<__m256i>(lane < n));
  }
#else
  if (n == kLanes<T>) return load(p);
  alignas(64) T all[kLanes<T>] = {};
  copy_first<kLanes<T> / 2>(all, p, n);
  return load(all);
#endif
}
/// Writes v's first n elements and nothing else.
template <class T>
inline __attribute__((always_inline)) void store_first(T* p, int64_t n, typename Simd<T>::vector v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1), v);
  else
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1U << n) - 1), v);
#else  // AVX2 has a masked store, but on some processors it takes as long as 40 others
  if (n == kLanes<T>) return store(p, v);
  alignas(64) T all[kLanes<T>];
  store(all, v);
  copy_first<kLanes<T> / 2>(p, all, n);
#endif
}

/// The same, for an n that is mostly a whole vector.
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::vector load_block(const T* p, int64_t n) {
  return n == kLanes<T> ? load(p) : load_first(p, n);
}
template <class T>
inline __attribute__((always_inline)) void store_block(T* p, int64_t n, typename Simd<T>::vector v) {
  n == kLanes<T> ? store(p, v) : store_first(p, n, v);
}

/// Bytes p[0] ... p[n - 1] as integers, then zeros; nothing else is read.
template <class T>
inline __attribute__((always_inline)) typename Simd<T>::integers load_bytes(const uint8_t* p, int64_t n) {
  using I = typename Simd<T>::integers;
#if defined(__AVX512BW__)
  const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1U << n) - 1), p);
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<I>(_mm512_maskz_cvtepu8_epi32(0xffff, bytes));  // not _mm512_cvtepu8_epi32: GCC 12 would
  else                                                                      // warn of its undefined operand (PR 105593)
    return reinterpret_cast<I>(_mm512_maskz_cvtepu8_epi64(0xff, bytes));
#elif defined(__AVX2__)
  int64_t word = 0;  // in a register: a vector that is loaded after its bytes were stored would wait for them
  if (n == kLanes<T>)
    __builtin_memcpy(&word, p, kLanes<T>);
  else
    for (int64_t j = n; j-- > 0;) word = word << 8 | p[j];
  const __m128i bytes = _mm_cvtsi64_si128(word);
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<I>(_mm256_cvtepu8_epi32(bytes));
  else
    return reinterpret_cast<I>(_mm256_cvtepu8_epi64(bytes));
#else
  decltype(I{}[0] + 0) all[kLanes<T>] = {};
  for (int64_t j = 0; j < n; ++j) all[j] = p[j];
  I result;
  __builtin_memcpy(&result, all, sizeof result);
  return result;
#endif
}
/// The lowest bytes of v's first n integers; nothing else is written.
template <class T>
inline __attribute__((always_inline)) void store_bytes(uint8_t* p, int64_t n, typename Simd<T>::integers v) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_cvtepi32_storeu_epi8(p, static_cast<__mmask16>((1U << n) - 1), reinterpret_cast<__m512i>(v));
  else
    _mm512_mask_cvtepi64_storeu_epi8(p, static_cast<__mmask8>((1U << n) - 1), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
  // The lowest bytes of each half's integers, to the half's beginning.
  const int lowest = sizeof(T) == 4 ? 0x0c080400 : 0x0800;
  const __m256i halves = _mm256_shuffle_epi8(reinterpret_cast<__m256i>(v), _mm256_set1_epi32(lowest));
  const __m128i low = _mm256_castsi256_si128(halves), high = _mm256_extracti128_si256(halves, 1);
  uint8_t all[8];
  const __m128i bytes = sizeof(T) == 4 ? _mm_unpacklo_epi32(low, high) : _mm_unpacklo_epi16(low, high);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(all), bytes);
  if (n == kLanes<T>)
    __builtin_memcpy(p, all, kLanes<T>);
  else
    copy_first<kLanes<T> / 2>(p, all, n);
#else
  decltype(v[0] + 0) all[kLanes<T>];
  __builtin_memcpy(all, &v, sizeof v);
  for (int64_t j = 0; j < n; ++j) p[j] = static_cast<uint8_t>(all[j]);
#endif
}

}  // namespace
}  // namespace kindling::kernels
