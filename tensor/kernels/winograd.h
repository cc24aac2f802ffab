// The transforms of Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, arXiv:1509.09308, section 4.1): a 2x2
// tile of y = x * w takes 16 products instead of 36,
//   y = A^T [(G w G^T) . (B^T d B)] A,
//         | 1  0 -1  0 |        | 1    0    0   |
//   B^T = | 0  1  1  0 |    G = | 1/2  1/2  1/2 |    A^T = | 1  1  1  0 |
//         | 0 -1  1  0 |        | 1/2 -1/2  1/2 |          | 0  1 -1 -1 |
//         | 0  1  0 -1 |        | 0    0    1   |
// with d the 4x4 pixels that the tile sees. Over channels each of the 16 products becomes a matrix product.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

/// One tile of the output: element (i, j) of channel c is y[i * row + j * pixel + c].
template <class T>
struct WinogradOutput {
  T* y;
  int64_t row, pixel;
  int64_t rows, columns;  ///< 1 or 2: how much of the tile lies on the map
  const T* bias;          ///< added, one per channel; or null
  bool relu;              ///< whether results below 0 become 0
  bool add;               ///< to what is there, after that
};

namespace {  // a copy of its own for each instruction set: see table.inc

/// The naive loops: out = M^T in M, of which both transforms of one channel are cases.
template <class T, int In, int Out>
void naive_both_sides(T (&out)[Out][Out], const T (&M)[In][Out], const T (&in)[In][In]) {
  for (int i = 0; i < Out; ++i)
    for (int j = 0; j < Out; ++j) {
      out[i][j] = 0;
      for (int p = 0; p < In; ++p)
        for (int q = 0; q < In; ++q) out[i][j] += M[p][i] * in[p][q] * M[q][j];
    }
}
/// B^T d B.
template <class T>
void naive_winograd_input(T (&v)[4][4], const T (&d)[4][4]) {
  constexpr T B[4][4] = {{1, 0, 0, 0}, {0, 1, -1, 1}, {-1, 1, 1, 0}, {0, 0, 0, -1}};
  naive_both_sides(v, B, d);
}
/// A^T m A.
template <class T>
void naive_winograd_output(T (&y)[2][2], const T (&m)[4][4]) {
  constexpr T A[4][2] = {{1, 0}, {1, 1}, {1, -1}, {0, -1}};
  naive_both_sides(y, A, m);
}

/// B^T d B for C channels: element (i, j) of d is d[i * row + j * pixel + c], of the result v[(4 i + j) * plane + c].
template <class T>
void winograd_input(int64_t C, T* v, int64_t plane, const T* d, int64_t row, int64_t pixel) {
  using V = typename Simd<T>::vector;
  for (int64_t c = 0; c < C; c += kLanes<T>) {
    const int64_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
    V t[4][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const T* from = d + j * pixel + c;
      const V d0 = load_block(from, n), d1 = load_block(from + row, n), d2 = load_block(from + 2 * row, n),
              d3 = load_block(from + 3 * row, n);
      t[0][j] = d0 - d2;
      t[1][j] = d1 + d2;
      t[2][j] = d2 - d1;
      t[3][j] = d1 - d3;
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      T* to = v + 4 * i * plane + c;
      store_block(to, n, t[i][0] - t[i][2]);
      store_block(to + plane, n, t[i][1] + t[i][2]);
      store_block(to + 2 * plane, n, t[i][2] - t[i][1]);
      store_block(to + 3 * plane, n, t[i][1] - t[i][3]);
    }
  }
}

/// y = [y +] [ReLU of] A^T m A [+ bias] for n channels: element (i, j) of m is m[(4 i + j) * plane + c].
template <class T>
void winograd_output(int64_t channels, const WinogradOutput<T>& o, const T* m, int64_t plane) {
  using V = typename Simd<T>::vector;
  for (int64_t c = 0; c < channels; c += kLanes<T>) {
    const int64_t n = channels - c < kLanes<T> ? channels - c : kLanes<T>;
    V s[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const T* from = m + j * plane + c;
      const V m0 = load_block(from, n), m1 = load_block(from + 4 * plane, n), m2 = load_block(from + 8 * plane, n),
              m3 = load_block(from + 12 * plane, n);
      s[0][j] = m0 + m1 + m2;
      s[1][j] = m1 - m2 - m3;
    }
    const V bias = o.bias != nullptr ? load_block(o.bias + c, n) : V{};
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      if (i == o.rows) break;
      const V y[2] = {s[i][0] + s[i][1] + s[i][2] + bias, s[i][1] - s[i][2] - s[i][3] + bias};
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        if (j == o.columns) break;
        T* to = o.y + i * o.row + j * o.pixel + c;
        const V result = o.relu ? (y[j] < V{} ? V{} : y[j]) : y[j];  // NaN stays NaN
        store_block(to, n, o.add ? load_block(to, n) + result : result);
      }
    }
  }
}

/// The adjoint of winograd_output: A g A^T for a tile of the gradient, of which rows x columns pixels lie on the map.
/// Element (i, j) of g is grad[i * row + j * pixel + c], of the result z[(4 i + j) * plane + c].
template <class T>
void winograd_grad(int64_t channels, T* z, int64_t plane, const T* grad, int64_t row, int64_t pixel, int64_t rows,
                   int64_t columns) {
  using V = typename Simd<T>::vector;
  for (int64_t c = 0; c < channels; c += kLanes<T>) {
    const int64_t n = channels - c < kLanes<T> ? channels - c : kLanes<T>;
    V t[4][2];
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const T* from = grad + j * pixel + c;
      const V g0 = j < columns ? load_block(from, n) : V{};
      const V g1 = j < columns && rows > 1 ? load_block(from + row, n) : V{};
      t[0][j] = g0;
      t[1][j] = g0 + g1;
      t[2][j] = g0 - g1;
      t[3][j] = -g1;
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      T* to = z + 4 * i * plane + c;
      store_block(to, n, t[i][0]);
      store_block(to + plane, n, t[i][0] + t[i][1]);
      store_block(to + 2 * plane, n, t[i][0] - t[i][1]);
      store_block(to + 3 * plane, n, -t[i][1]);
    }
  }
}

/// The adjoint of the weights' transform: [dw +] G^T u G for C channels. Element (i, j) of u is u[(4 i + j) * plane +
/// c], of the result dw[(3 i + j) * tap + c].
template <class T>
void winograd_weights(int64_t C, T* dw, int64_t tap, const T* u, int64_t plane, bool add) {
  using V = typename Simd<T>::vector;
  const V half = broadcast(T(0.5));
  for (int64_t c = 0; c < C; c += kLanes<T>) {
    const int64_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
    V t[3][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const T* from = u + j * plane + c;
      const V u0 = load_block(from, n), u1 = load_block(from + 4 * plane, n), u2 = load_block(from + 8 * plane, n),
              u3 = load_block(from + 12 * plane, n);
      const V sum = half * (u1 + u2);
      t[0][j] = u0 + sum;
      t[1][j] = half * (u1 - u2);
      t[2][j] = sum + u3;
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      const V sum = half * (t[i][1] + t[i][2]);
      const V taps[3] = {t[i][0] + sum, half * (t[i][1] - t[i][2]), sum + t[i][3]};
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        T* to = dw + (3 * i + j) * tap + c;
        store_block(to, n, add ? load_block(to, n) + taps[j] : taps[j]);
      }
    }
  }
}

}  // namespace
}  // namespace kindling::kernels
