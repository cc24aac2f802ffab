// Vectors as GCC's extension has them, as wide as the instruction set that a file is compiled for.
#pragma once

#include <cstdint>

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
};
template <>
struct Simd<double> {
  typedef double vector __attribute__((vector_size(KINDLING_VECTOR_BYTES)));
  typedef double unaligned __attribute__((vector_size(KINDLING_VECTOR_BYTES), aligned(8), may_alias));
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
template <class T>
inline __attribute__((always_inline)) void store(T* p, typename Simd<T>::vector v) {
  *reinterpret_cast<typename Simd<T>::unaligned*>(p) = v;
}

}  // namespace
}  // namespace kindling::kernels
