// Pooling of one output pixel over its window: all channels at once, which are contiguous.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

/// The part of a window that lies on the image: taps (p, q) with p in [p0, p1), q in [q0, q1) of a
/// kernel of width `kernel_w`. `origin` is the offset of tap (0, 0), which may be outside the
/// image. A tap's pixel is at origin + p * row + q * C.
struct Window {
  int64_t origin, row, p0, p1, q0, q1, kernel_w;
};

/// All output windows that contain one input pixel: rows x columns of them. Window (i, j) is at
/// first + i * row + j * C of the pooled map, and the pixel is its tap number tap - i * tap_row - j
/// * tap_column.
struct Covering {
  int64_t first, row, rows, columns, tap, tap_row, tap_column;
};

namespace {  // a copy of its own for each instruction set: see table.inc

// Calls f.template operator()<vectors>(first channel, channels a vector) for blocks of up to four whole vectors: what a
// block needs stays in registers from the first tap to the last. The last block overlaps the one before rather than be
// a part of a vector, so f must not add to what it writes; only fewer channels than a vector has are a part of one.
template <class T, class F>
inline __attribute__((always_inline)) void for_each_channel_block(int64_t C, F f) {
  constexpr int64_t L = kLanes<T>;
  int64_t c = 0;
  for (; c + 4 * L <= C; c += 4 * L) f.template operator()<4>(c, L);
  if (C < L) return f.template operator()<1>(0, C);
  for (; c < C; c += L) f.template operator()<1>(c + L <= C ? c : C - L, L);
}

// Calls f(where the tap's pixel lies, number of the tap) for each tap on the image, row by row.
template <class F>
inline __attribute__((always_inline)) void for_each_tap(const Window& w, int64_t C, F f) {
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) f(w.origin + p * w.row + q * C, p * w.kernel_w + q);
}

/// The naive loop: y[c] = largest tap of channel c, argmax[c] = p * kernel_w + q of the first such
/// tap. NaN counts as largest.
template <class T>
void naive_max_pool_pixel(const Window& w, int64_t C, T* y, uint8_t* argmax, const T* x) {
  const int64_t first = w.p0 * w.kernel_w + w.q0;
  for_each_tap(w, C, [&](int64_t pixel, int64_t tap) {
    for (int64_t c = 0; c < C; ++c) {
      const T value = x[pixel + c];
      if (tap != first && !(value > y[c] || (value != value && y[c] == y[c]))) continue;
      y[c] = value;
      argmax[c] = static_cast<uint8_t>(tap);
    }
  });
}

// Whether `value` takes the place of `largest`, for any value. It is slow: every tap waits for the comparisons and the
// selection of the one before.
template <class V>
inline __attribute__((always_inline)) auto replaces(V value, V largest) {
  return (value > largest) | ((value != value) & (largest == largest));
}

// `Vectors` vectors of channels from c on. Without NaN, the largest so far comes from one instruction, which is all
// that the next tap waits for. Whether there was NaN shows in a sum of all taps. (Inf - Inf is NaN too; then the
// careful loop comes to the same result.)
template <class T, int Vectors>
inline __attribute__((always_inline)) void max_pool_block(const Window& w, int64_t C, T* y, uint8_t* argmax, const T* x,
                                                          int64_t c, int64_t n) {
  using V = typename Simd<T>::vector;
  using I = typename Simd<T>::integers;
  using Lane = decltype(I{}[0] + 0);
  const T* const first = x + w.origin + w.p0 * w.row + w.q0 * C + c;
  const I first_tap = I{} + static_cast<Lane>(w.p0 * w.kernel_w + w.q0);
  V largest[Vectors], total[Vectors] = {};
  I at[Vectors];
  const auto begin = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      largest[v] = load_block(first + v * kLanes<T>, n);
      at[v] = first_tap;
    }
  };
  begin();
  for_each_tap(
      w, C, [&](int64_t pixel, int64_t tap) __attribute__((always_inline)) {
        const I number = I{} + static_cast<Lane>(tap);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
          const V value = load_block(x + pixel + c + v * kLanes<T>, n);
          at[v] = value > largest[v] ? number : at[v];
          largest[v] = larger_of<T>(value, largest[v]);
          total[v] += value;
        }
      });
  V all = total[0];
#pragma GCC unroll 4
  for (int v = 1; v < Vectors; ++v) all += total[v];
  if (any_nan<T>(all)) {
    begin();
    for_each_tap(w, C, [&](int64_t pixel, int64_t tap) {
      const I number = I{} + static_cast<Lane>(tap);
      for (int v = 0; v < Vectors; ++v) {
        const V value = load_block(x + pixel + c + v * kLanes<T>, n);
        const I larger = replaces(value, largest[v]);
        largest[v] = larger ? value : largest[v];
        at[v] = larger ? number : at[v];
      }
    });
  }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v) {
    store_block(y + c + v * kLanes<T>, n, largest[v]);
    store_bytes<T>(argmax + c + v * kLanes<T>, n, at[v]);
  }
}

/// naive_max_pool_pixel, some vectors of channels at a time.
template <class T>
void max_pool_pixel(const Window& w, int64_t C, T* y, uint8_t* argmax, const T* x) {
  for_each_channel_block<T>(
      C, [&]<int Vectors>(int64_t c, int64_t n)
             __attribute__((always_inline)) { max_pool_block<T, Vectors>(w, C, y, argmax, x, c, n); });
}

/// y[c] = the tap of channel c that argmax[c] names, 0 if that tap is not on the image. Every tap
/// is looked at, so that no read is scattered.
template <class T>
void max_pool_pick_pixel(const Window& w, int64_t C, T* y, const uint8_t* argmax, const T* x) {
  using V = typename Simd<T>::vector;
  using I = typename Simd<T>::integers;
  using Lane = decltype(I{}[0] + 0);
  for_each_channel_block<T>(
      C, [&]<int Vectors>(int64_t c, int64_t n) __attribute__((always_inline)) {
        V picked[Vectors] = {};
        I named[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) named[v] = load_bytes<T>(argmax + c + v * kLanes<T>, n);
        for_each_tap(
            w, C, [&](int64_t pixel, int64_t tap) __attribute__((always_inline)) {
              const I number = I{} + static_cast<Lane>(tap);
#pragma GCC unroll 4
              for (int v = 0; v < Vectors; ++v)
                picked[v] = named[v] == number ? load_block(x + pixel + c + v * kLanes<T>, n) : picked[v];
            });
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) store_block(y + c + v * kLanes<T>, n, picked[v]);
      });
}

/// The naive adjoint: dx[the tap that argmax[c] names] += grad[c].
template <class T>
void naive_max_unpool_pixel(const Window& w, int64_t C, T* dx, const uint8_t* argmax, const T* grad) {
  for_each_tap(w, C, [&](int64_t pixel, int64_t tap) {
    for (int64_t c = 0; c < C; ++c)
      if (argmax[c] == tap) dx[pixel + c] += grad[c];
  });
}

/// The same for one pixel of the image: dx[c] = sum of grad over the windows that contain the pixel
/// and whose argmax names it. The pixel is written once and need not be zero before.
template <class T>
void max_unpool_pixel(const Covering& over, int64_t C, T* dx, const uint8_t* argmax, const T* grad) {
  using V = typename Simd<T>::vector;
  using I = typename Simd<T>::integers;
  using Lane = decltype(I{}[0] + 0);
  for_each_channel_block<T>(
      C, [&]<int Vectors>(int64_t c, int64_t n) __attribute__((always_inline)) {
        V sum[Vectors] = {};
        for (int64_t i = 0; i < over.rows; ++i)
          for (int64_t j = 0; j < over.columns; ++j) {
            const int64_t at = over.first + i * over.row + j * C + c;
            const I tap = I{} + static_cast<Lane>(over.tap - i * over.tap_row - j * over.tap_column);
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) {
              const V value = load_block(grad + at + v * kLanes<T>, n);
              const I named = load_bytes<T>(argmax + at + v * kLanes<T>, n);
              sum[v] += named == tap ? value : V{};
            }
          }
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) store_block(dx + c + v * kLanes<T>, n, sum[v]);
      });
}

/// y[c] = scale * sum of channel c's taps.
template <class T>
void avg_pool_pixel(const Window& w, int64_t C, T scale, T* y, const T* x) {
  for (int64_t c = 0; c < C; ++c) y[c] = 0;
  for_each_tap(w, C, [&](int64_t pixel, int64_t) {
    const T* value = x + pixel;
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) y[c] += value[c];
  });
  for (int64_t c = 0; c < C; ++c) y[c] *= scale;
}

/// The adjoint: each of the window's taps gets scale * grad[c] added.
template <class T>
void avg_unpool_pixel(const Window& w, int64_t C, T scale, T* dx, const T* grad) {
  for_each_tap(w, C, [&](int64_t pixel, int64_t) {
    T* to = dx + pixel;
#pragma GCC ivdep
    for (int64_t c = 0; c < C; ++c) to[c] += scale * grad[c];
  });
}

}  // namespace
}  // namespace kindling::kernels
