// The transforms of Winograd's minimal filtering F(m x m, r x r) (Lavin and Gray, arXiv:1509.09308, section 4.1), as
// Toom and Cook derive them. A tile of m x m pixels of y = x * w takes p x p products, p = m + r - 1, instead of
// m m r r:
//   y = V_m^T [(N V_r w V_r^T N) . (B^T d B)] V_m,
// with d the p x p pixels that the tile sees. There are p points: 0, pairs a, -a, and infinity.
//   V_n [p, n]: row of point x: 1, x, ..., x^(n-1), a polynomial of n coefficients at x; of infinity 0, ..., 0, 1.
//   B^T [p, p]: row of point x: the coefficients of the product of (t - z) over all other finite points z; of infinity,
//               over all finite points.
//   N: diagonal: 1 / product of (x - z) over all other finite points z; of infinity 1.
// Over channels each of the p p products becomes a matrix product. Gradients need only the adjoints, which are the same
// matrices transposed.
//
// With four points a = 1. With six, a = sqrt(1/2) and sqrt(2): products of powers of points stay close to 1, and the
// error is 2.3 times that of a direct convolution in f32, where a = 1 and 2, as in the paper, make it 5 times (relative
// L2 of F(4x4, 3x3), 64 channels). With eight, a = 1/2, 1 and 2: 4.5 times (F(4x4, 5x5)); of all that were searched
// none was better by more than a tenth, and these multiply without rounding.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>

namespace kindling::kernels {

/// One tile of the output: element (i, j) of channel c is y[i * row + j * pixel + c].
template <class T>
struct WinogradOutput {
  T* y;
  int64_t row, pixel;
  int64_t rows, columns;  ///< how much of the tile lies on the map, at least 1
  const T* bias;          ///< added, one per channel; or null
  bool relu;              ///< whether results below 0 become 0
  bool add;               ///< to what is there, after that
};

/// Where one tile's share of the input's gradient goes: pixel (i, j) of the patch, first_row <= i < last_row and
/// likewise j, lies on the map; its channel c is dx[i * row + j * pixel + c].
template <class T>
struct WinogradPatchGrad {
  T* dx;
  int64_t row, pixel;
  int64_t first_row, last_row, first_column, last_column;
};

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

/// Point i, but for infinity, the last.
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

/// t = B^T d. Over the other points, with S = product of (t^2 - b^2) over the other pairs: of a and -a it is
/// (t^2 + a t) S and (t^2 - a t) S; of 0 and of infinity the product over all pairs, and t times that.
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

/// Both sides: store(i, j, element of M d M^T), where load(i, j) gives d's elements and one_side(t, d) is t = M d.
template <class V, int In, int Out, class Load, class OneSide, class Store>
inline __attribute__((always_inline)) void both_sides(Load load, OneSide one_side, Store store) {
  V half[Out][In];
#pragma GCC unroll 8
  for (int j = 0; j < In; ++j) {
    V column[In], result[Out];
#pragma GCC unroll 8
    for (int i = 0; i < In; ++i) column[i] = load(i, j);
    one_side(result, column);
#pragma GCC unroll 8
    for (int i = 0; i < Out; ++i) half[i][j] = result[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < Out; ++i) {
    V row[Out];
    one_side(row, half[i]);
#pragma GCC unroll 8
    for (int j = 0; j < Out; ++j) store(i, j, row[j]);
  }
}

/// Calls f(c, n) for whole vectors of channels, where n is the constant number of lanes, then for what is left.
template <class T, class F>
inline __attribute__((always_inline)) void for_each_vector(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>) f(c, int64_t{kLanes<T>});
  const int64_t left = channels - c;
  if (left <= 0) return;
  if (left >= kLanes<T>) __builtin_unreachable();
  f(c, left);
}

/// The transforms of F(Tile x Tile, Taps x Taps). Elements of a transformed tile lie `plane` apart, point (i, j) at
/// (Points i + j) * plane.
template <class T, int Tile, int Taps>
struct Winograd {
  static constexpr int Points = Tile + Taps - 1;
  using V = typename Simd<T>::vector;

  /// v = B^T d B: element (i, j) of channel c of d is d[i * row + j * pixel + c].
  static void input(int64_t C, T* v, int64_t plane, const T* d, int64_t row, int64_t pixel) {
    for_each_vector<T>(
        C, [=](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Points, Points>(
              [=](int i, int j) { return load_block(d + i * row + j * pixel + c, n); },
              [](V(&t)[Points], const V(&in)[Points]) { multiply_out<T>(t, in); },
              [=](int i, int j, V x) { store_block(v + (Points * i + j) * plane + c, n, x); });
        });
  }

  /// y = [y +] [ReLU of] V^T m V [+ bias].
  static void output(int64_t channels, const WinogradOutput<T>& o, const T* m, int64_t plane) {
    for_each_vector<T>(
        channels, [ =, &o ](int64_t c, int64_t n) __attribute__((always_inline)) {
          const V bias = o.bias != nullptr ? load_block(o.bias + c, n) : V{};
          both_sides<V, Points, Tile>([=](int i, int j) { return load_block(m + (Points * i + j) * plane + c, n); },
                                      [](V(&t)[Tile], const V(&in)[Points]) { sum_powers<T>(t, in); },
                                      [=, &o](int i, int j, V x) {
                                        if (i >= o.rows || j >= o.columns) return;
                                        T* to = o.y + i * o.row + j * o.pixel + c;
                                        x += bias;
                                        if (o.relu) x = x < V{} ? V{} : x;  // NaN stays NaN
                                        store_block(to, n, o.add ? load_block(to, n) + x : x);
                                      });
        });
  }

  /// The adjoint of output, z = V g V^T, for a tile of the gradient of which rows x columns pixels lie on the map:
  /// element (i, j) of g is grad[i * row + j * pixel + c].
  static void grad(int64_t channels, T* z, int64_t plane, const T* grad, int64_t row, int64_t pixel, int64_t rows,
                   int64_t columns) {
    for_each_vector<T>(
        channels, [=](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Tile, Points>(
              [=](int i, int j) {
                return i < rows && j < columns ? load_block(grad + i * row + j * pixel + c, n) : V{};
              },
              [](V(&t)[Points], const V(&in)[Tile]) { evaluate<T>(t, in); },
              [=](int i, int j, V x) { store_block(z + (Points * i + j) * plane + c, n, x); });
        });
  }

  /// The adjoint of input, d = B v B^T, added to dx where it lies on the map.
  static void input_grad(int64_t C, const WinogradPatchGrad<T>& p, const T* v, int64_t plane) {
    for_each_vector<T>(
        C, [ =, &p ](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Points, Points>(
              [=](int i, int j) { return load_block(v + (Points * i + j) * plane + c, n); },
              [](V(&d)[Points], const V(&in)[Points]) { multiply_out_adjoint<T>(d, in); },
              [=, &p](int i, int j, V x) {
                if (i < p.first_row || i >= p.last_row || j < p.first_column || j >= p.last_column) return;
                T* to = p.dx + i * p.row + j * p.pixel + c;
                store_block(to, n, load_block(to, n) + x);
              });
        });
  }

  /// u = N V w V^T N: tap (i, j) of channel c is w[(Taps i + j) * tap + c].
  static void filter(int64_t C, T* u, int64_t plane, const T* w, int64_t tap) {
    for_each_vector<T>(
        C, [=](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Taps, Points>([=](int i, int j) { return load_block(w + (Taps * i + j) * tap + c, n); },
                                      [](V(&t)[Points], const V(&in)[Taps]) {
                                        evaluate<T>(t, in);
                                        scale_points<T>(t);
                                      },
                                      [=](int i, int j, V x) { store_block(u + (Points * i + j) * plane + c, n, x); });
        });
  }

  /// The adjoint of filter: dw = [dw +] V^T N u N V.
  static void weights(int64_t C, T* dw, int64_t tap, const T* u, int64_t plane, bool add) {
    for_each_vector<T>(
        C, [=](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Points, Taps>([=](int i, int j) { return load_block(u + (Points * i + j) * plane + c, n); },
                                      [](V(&t)[Taps], const V(&in)[Points]) {
                                        V scaled[Points];
#pragma GCC unroll 8
                                        for (int i = 0; i < Points; ++i) scaled[i] = in[i];
                                        scale_points<T>(scaled);
                                        sum_powers<T>(t, scaled);
                                      },
                                      [=](int i, int j, V x) {
                                        T* to = dw + (Taps * i + j) * tap + c;
                                        store_block(to, n, add ? load_block(to, n) + x : x);
                                      });
        });
  }
};

}  // namespace
}  // namespace kindling::kernels
