// Minimal filtering in one dimension, F(m, r), as Toom and Cook derive it: m values of a filter of r taps from
// p = m + r - 1 products,
//   y = V_m^T [(N V_r w) . (B^T d)],
// with d the p values that they see. There are p points: 0, pairs a, -a, and infinity.
//   V_n [p, n]: row of point x: 1, x, ..., x^(n-1), a polynomial of n coefficients at x; of infinity 0, ..., 0, 1.
//   B^T [p, p]: row of point x: the coefficients of the product of (t - z) over all other finite points z; of infinity,
//               over all finite points.
//   N: diagonal: 1 / product of (x - z) over all other finite points z; of infinity 1.
//
// With four points a = 1. With six, a = sqrt(1/2) and sqrt(2): products of powers of points stay close to 1, and the
// error is 2.3 times that of a direct convolution in f32, where a = 1 and 2, as in the paper, make it 5 times (relative
// L2 of F(4x4, 3x3), 64 channels). With eight, a = 1/2, 1 and 2: 4.5 times (F(4x4, 5x5)); of all that were searched
// none was better by more than a tenth, and these multiply without rounding.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {
namespace {  // a copy of its own for each instruction set: see table.inc

inline constexpr int kMaxPoints = 8, kMaxPairs = (kMaxPoints - 2) / 2;
template <int Points>
inline constexpr int kPairs = (Points - 2) / 2;
/// a of the pairs of points, and a^2.
template <int Points>
inline constexpr double kNodes[kMaxPairs] = {1, 0, 0};
template <>
inline constexpr double kNodes<6>[kMaxPairs] = {0.70710678118654752440, 1.41421356237309504880, 0};
template <>
inline constexpr double kNodes<8>[kMaxPairs] = {0.5, 1, 2};
template <int Points>
inline constexpr double kSquares[kMaxPairs] = {1, 0, 0};
template <>
inline constexpr double kSquares<6>[kMaxPairs] = {0.5, 2, 0};
template <>
inline constexpr double kSquares<8>[kMaxPairs] = {0.25, 1, 4};

/// Point i, for all points but infinity, which is the last.
template <int Points>
constexpr double point(int i) {
  return i == 0 ? 0 : (i % 2 == 1 ? 1 : -1) * kNodes<Points>[(i - 1) / 2];
}
/// The diagonal of N.
template <int Points>
struct Norms {
  constexpr Norms() {
    for (int i = 0; i < Points; ++i) {
      values[i] = 1;
      for (int j = 0; j < Points - 1; ++j)
        if (i < Points - 1 && j != i) values[i] /= point<Points>(i) - point<Points>(j);
    }
  }
  double values[Points]{};
};
template <int Points>
inline constexpr Norms<Points> kNorms{};

/// Coefficients of products of (s - a^2), s being t^2: element k is that of s^k.
template <int Points>
struct SquareProducts {
  constexpr SquareProducts() {
    multiply(all, -1);
    for (int pair = 0; pair < kPairs<Points>; ++pair) multiply(others[pair], pair);
  }
  static constexpr void multiply(double* product, int except) {
    product[0] = 1;
    for (int pair = 0, degree = 0; pair < kPairs<Points>; ++pair) {
      if (pair == except) continue;
      ++degree;
      for (int k = degree; k >= 0; --k) product[k] = (k > 0 ? product[k - 1] : 0) - kSquares<Points>[pair] * product[k];
    }
  }
  double all[kMaxPairs + 1]{};                ///< over all pairs
  double others[kMaxPairs][kMaxPairs + 1]{};  ///< over all but one
};
template <int Points>
inline constexpr SquareProducts<Points> kSquareProducts{};

// The matrices, for the naive loops.

template <int Points>
void naive_powers(int n, double (&V)[Points][Points]) {
  for (int i = 0; i < Points; ++i) {
    const bool infinity = i == Points - 1;
    double power = 1;
    for (int k = 0; k < n; ++k) {
      V[i][k] = infinity ? (k == n - 1 ? 1 : 0) : power;
      if (!infinity) power *= point<Points>(i);
    }
  }
}
template <int Points>
void naive_products(double (&B_transposed)[Points][Points]) {
  for (int i = 0; i < Points; ++i) {
    double* row = B_transposed[i];
    for (int k = 0; k < Points; ++k) row[k] = k == 0 ? 1 : 0;
    int degree = 0;
    for (int j = 0; j < Points - 1; ++j) {
      if (j == i) continue;
      ++degree;  // row(t) *= t - point
      for (int k = degree; k >= 0; --k) row[k] = (k > 0 ? row[k - 1] : 0) - point<Points>(j) * row[k];
    }
  }
}
/// out [rows, rows] = M [rows, columns] in [columns, columns] M^T.
template <int Points>
void naive_both_sides(int rows, int columns, double (&out)[Points][Points], const double (&M)[Points][Points],
                      const double (&in)[Points][Points]) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < rows; ++j) {
      out[i][j] = 0;
      for (int p = 0; p < columns; ++p)
        for (int q = 0; q < columns; ++q) out[i][j] += M[i][p] * in[p][q] * M[j][q];
    }
}

// One side of the transforms, of vectors of channels. A pair of points shares its even and its odd powers.

/// t = B^T d. With S = product of (t^2 - b^2) over the other pairs, the product over all other
/// points is
///   (t^2 + a t) S      for the point a
///   (t^2 - a t) S      for -a
/// The product over all pairs is that of 0; t times that is the product of infinity.
template <class T, int Points, class V>
inline __attribute__((always_inline)) void multiply_out(V (&t)[Points], const V (&d)[Points]) {
  constexpr int pairs = kPairs<Points>;
  constexpr const SquareProducts<Points>& products = kSquareProducts<Points>;
  t[0] = d[2 * pairs];
  t[Points - 1] = d[2 * pairs + 1];
#pragma GCC unroll 3
  for (int k = pairs - 1; k >= 0; --k) {
    t[0] += T(products.all[k]) * d[2 * k];
    t[Points - 1] += T(products.all[k]) * d[2 * k + 1];
  }
#pragma GCC unroll 3
  for (int pair = 0; pair < pairs; ++pair) {
    V even = d[2 * pairs], odd = d[2 * pairs - 1];
#pragma GCC unroll 3
    for (int k = pairs - 2; k >= 0; --k) {
      even += T(products.others[pair][k]) * d[2 * k + 2];
      odd += T(products.others[pair][k]) * d[2 * k + 1];
    }
    odd *= T(kNodes<Points>[pair]);
    t[1 + 2 * pair] = even + odd;
    t[2 + 2 * pair] = even - odd;
  }
}

/// d = B t.
template <class T, int Points, class V>
inline __attribute__((always_inline)) void multiply_out_adjoint(V (&d)[Points], const V (&t)[Points]) {
  constexpr int pairs = kPairs<Points>;
  constexpr const SquareProducts<Points>& products = kSquareProducts<Points>;
#pragma GCC unroll 4
  for (int k = 0; k <= pairs; ++k) {
    d[2 * k] = T(products.all[k]) * t[0];
    d[2 * k + 1] = T(products.all[k]) * t[Points - 1];
  }
#pragma GCC unroll 3
  for (int pair = 0; pair < pairs; ++pair) {
    const V even = t[1 + 2 * pair] + t[2 + 2 * pair];
    const V odd = T(kNodes<Points>[pair]) * (t[1 + 2 * pair] - t[2 + 2 * pair]);
#pragma GCC unroll 3
    for (int k = 0; k < pairs; ++k) {
      d[2 * k + 2] += T(products.others[pair][k]) * even;
      d[2 * k + 1] += T(products.others[pair][k]) * odd;
    }
  }
}

/// z = V_n g.
template <class T, int Points, int n, class V>
inline __attribute__((always_inline)) void evaluate(V (&z)[Points], const V (&g)[n]) {
  z[0] = g[0];
  z[Points - 1] = g[n - 1];
#pragma GCC unroll 3
  for (int pair = 0; pair < kPairs<Points>; ++pair) {
    double square = kSquares<Points>[pair], power = 1;
    V even = g[0], odd = g[1];
#pragma GCC unroll 4
    for (int k = 2; k < n; ++k) {
      if (k % 2 == 0) power *= square;
      (k % 2 == 0 ? even : odd) += T(power) * g[k];
    }
    odd *= T(kNodes<Points>[pair]);
    z[1 + 2 * pair] = even + odd;
    z[2 + 2 * pair] = even - odd;
  }
}

/// y = V_n^T m.
template <class T, int Points, int n, class V>
inline __attribute__((always_inline)) void sum_powers(V (&y)[n], const V (&m)[Points]) {
  y[0] = m[0];
#pragma GCC unroll 4
  for (int k = 1; k < n; ++k) y[k] = V{};
#pragma GCC unroll 3
  for (int pair = 0; pair < kPairs<Points>; ++pair) {
    const V even = m[1 + 2 * pair] + m[2 + 2 * pair];
    const V odd = T(kNodes<Points>[pair]) * (m[1 + 2 * pair] - m[2 + 2 * pair]);
    double power = 1;
#pragma GCC unroll 5
    for (int k = 0; k < n; ++k) {
      if (k % 2 == 0 && k > 0) power *= kSquares<Points>[pair];
      y[k] += T(power) * (k % 2 == 0 ? even : odd);
    }
  }
  y[n - 1] += m[Points - 1];
}

/// N m.
template <class T, int Points, class V>
inline __attribute__((always_inline)) void scale_points(V (&m)[Points]) {
#pragma GCC unroll 8
  for (int i = 0; i < Points; ++i) m[i] *= T(kNorms<Points>.values[i]);
}

}  // namespace
}  // namespace kindling::kernels
