// The transforms of Winograd's minimal filtering F(m x m, r x r) (Lavin and Gray, arXiv:1509.09308, section 4.1): those
// of toom_cook.h, along rows and columns. A tile of m x m pixels of y = x * w takes p x p products, p = m + r - 1,
// instead of m m r r:
//   y = V_m^T [(N V_r w V_r^T N) . (B^T d B)] V_m,
// with d the p x p pixels that the tile sees. Over channels each of the p p products becomes a matrix product.
// Gradients need only the adjoints, which are the same matrices transposed.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/simd.h>
#include <kindling/tensor/kernels/toom_cook.h>

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

/// The pixels of the input that one tile sees, or of its gradient. Channel c of pixel (i, j) is
/// d[i * row + j * pixel + c] if first_row <= i < last_row, and likewise for j. All others lie in
/// the padding and are 0; nothing is read or written there.
template <class T>
struct WinogradPatch {
  T* d;
  int64_t row, pixel;
  int64_t first_row, last_row, first_column, last_column;
};

namespace {  // a copy of its own for each instruction set: see table.inc

/// Both sides: calls store(i, j, element of M d M^T), where load(i, j) gives the elements of d, and
/// one_side(t, d) is t = M d. Columns and rows are loops, because a whole tile does not fit into
/// the registers. Unrolled, it takes longer to compile and to run.
template <class V, int In, int Out, class Load, class OneSide, class Store>
inline __attribute__((always_inline)) void both_sides(Load load, OneSide one_side, Store store) {
  V half[Out][In];
#pragma GCC unroll 1
  for (int j = 0; j < In; ++j) {
    V column[In], result[Out];
#pragma GCC unroll 8
    for (int i = 0; i < In; ++i) column[i] = load(i, j);
    one_side(result, column);
#pragma GCC unroll 8
    for (int i = 0; i < Out; ++i) half[i][j] = result[i];
  }
#pragma GCC unroll 1
  for (int i = 0; i < Out; ++i) {
    V row[Out];
    one_side(row, half[i]);
#pragma GCC unroll 8
    for (int j = 0; j < Out; ++j) store(i, j, row[j]);
  }
}

/// Calls f(c, n) for each whole vector of channels, with n the constant number of lanes, then once
/// for the rest.
template <class T, class F>
inline __attribute__((always_inline)) void for_each_vector(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>) f(c, int64_t{kLanes<T>});
  const int64_t left = channels - c;
  if (left <= 0) return;
  if (left >= kLanes<T>) __builtin_unreachable();
  f(c, left);
}

/// Whether pixel (i, j) of a patch lies on the map.
template <class T>
inline __attribute__((always_inline)) bool on_map(const WinogradPatch<T>& p, int i, int j) {
  return i >= p.first_row && i < p.last_row && j >= p.first_column && j < p.last_column;
}

/// The transforms of F(Tile x Tile, Taps x Taps). Elements of a transformed tile lie `plane` apart,
/// point (i, j) at (Points i + j) * plane.
template <class T, int Tile, int Taps>
struct Winograd {
  static constexpr int Points = Tile + Taps - 1;
  using V = typename Simd<T>::vector;

  /// v = B^T d B.
  static void input(int64_t C, T* v, int64_t plane, const WinogradPatch<const T>& p) {
    const bool whole = on_map(p, 0, 0) && on_map(p, Points - 1, Points - 1);
    whole ? input_as<true>(C, v, plane, p) : input_as<false>(C, v, plane, p);
  }
  template <bool Whole>
  static void input_as(int64_t C, T* v, int64_t plane, const WinogradPatch<const T>& p) {
    for_each_vector<T>(
        C, [ =, &p ](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Points, Points>(
              [=, &p](int i, int j) {
                return Whole || on_map(p, i, j) ? load_block(p.d + i * p.row + j * p.pixel + c, n) : V{};
              },
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
                                        if (o.relu) x = relu_of(x);
                                        store_block(to, n, o.add ? load_block(to, n) + x : x);
                                      });
        });
  }

  /// The adjoint of output, z = V g V^T, for a tile of the gradient with rows x columns pixels on
  /// the map. Element (i, j) of g is grad[i * row + j * pixel + c].
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

  /// The adjoint of input: adds B v B^T to d.
  static void input_grad(int64_t C, const WinogradPatch<T>& p, const T* v, int64_t plane) {
    for_each_vector<T>(
        C, [ =, &p ](int64_t c, int64_t n) __attribute__((always_inline)) {
          both_sides<V, Points, Points>([=](int i, int j) { return load_block(v + (Points * i + j) * plane + c, n); },
                                        [](V(&d)[Points], const V(&in)[Points]) { multiply_out_adjoint<T>(d, in); },
                                        [=, &p](int i, int j, V x) {
                                          if (!on_map(p, i, j)) return;
                                          T* to = p.d + i * p.row + j * p.pixel + c;
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
