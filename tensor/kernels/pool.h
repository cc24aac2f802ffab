// Pooling of one output pixel over its window: all channels at once, which are contiguous.
#pragma once

#include <cstdint>

namespace kindling::kernels {

/// The part of a window that lies on the image: taps (p, q) with p in [p0, p1), q in [q0, q1) of a kernel that is
/// `kernel_w` wide. `origin` is where tap (0, 0) lies, perhaps outside the image; a tap's pixel is at
/// origin + p * row + q * C.
struct Window {
  int64_t origin, row, p0, p1, q0, q1, kernel_w;
};

namespace {  // a copy of its own for each instruction set: see table.inc

/// y[c] = largest tap of channel c, argmax[c] = p * kernel_w + q of the first such tap. NaN counts as largest.
template <class T>
void max_pool_pixel(const Window& w, int64_t C, T* y, uint8_t* argmax, const T* x) {
  const T* first = x + w.origin + w.p0 * w.row + w.q0 * C;
  const auto first_tap = static_cast<uint8_t>(w.p0 * w.kernel_w + w.q0);
  for (int64_t c = 0; c < C; ++c) y[c] = first[c];
  for (int64_t c = 0; c < C; ++c) argmax[c] = first_tap;
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) {
      const T* pixel = x + w.origin + p * w.row + q * C;
      const auto tap = static_cast<uint8_t>(p * w.kernel_w + q);
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) {
        const bool larger = (pixel[c] > y[c]) | ((pixel[c] != pixel[c]) & (y[c] == y[c]));
        y[c] = larger ? pixel[c] : y[c];
        argmax[c] = larger ? tap : argmax[c];
      }
    }
}

/// y[c] = the tap of channel c that argmax[c] names, 0 if that is not on the image. One pass per tap, picking where it
/// is the one, has no scattered reads.
template <class T>
void max_pool_pick_pixel(const Window& w, int64_t C, T* y, const uint8_t* argmax, const T* x) {
  for (int64_t c = 0; c < C; ++c) y[c] = 0;
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) {
      const T* pixel = x + w.origin + p * w.row + q * C;
      const auto tap = static_cast<uint8_t>(p * w.kernel_w + q);
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) y[c] = argmax[c] == tap ? pixel[c] : y[c];
    }
}

/// The adjoint: dx[that tap] += grad[c].
template <class T>
void max_unpool_pixel(const Window& w, int64_t C, T* dx, const uint8_t* argmax, const T* grad) {
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) {
      T* pixel = dx + w.origin + p * w.row + q * C;
      const auto tap = static_cast<uint8_t>(p * w.kernel_w + q);
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) pixel[c] += argmax[c] == tap ? grad[c] : T(0);
    }
}

/// y[c] = scale * sum of channel c's taps.
template <class T>
void avg_pool_pixel(const Window& w, int64_t C, T scale, T* y, const T* x) {
  for (int64_t c = 0; c < C; ++c) y[c] = 0;
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) {
      const T* pixel = x + w.origin + p * w.row + q * C;
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) y[c] += pixel[c];
    }
  for (int64_t c = 0; c < C; ++c) y[c] *= scale;
}

/// The adjoint: each of the window's taps gets scale * grad[c] added.
template <class T>
void avg_unpool_pixel(const Window& w, int64_t C, T scale, T* dx, const T* grad) {
  for (int64_t p = w.p0; p < w.p1; ++p)
    for (int64_t q = w.q0; q < w.q1; ++q) {
      T* pixel = dx + w.origin + p * w.row + q * C;
#pragma GCC ivdep
      for (int64_t c = 0; c < C; ++c) pixel[c] += scale * grad[c];
    }
}

}  // namespace
}  // namespace kindling::kernels
