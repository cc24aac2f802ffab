#include <kindling/tensor/kernels/winograd.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/kernels/table.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;
using kernels::WinogradScheme;

namespace {

constexpr double kUntouched = 12345;

template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;

/// F(Tile x Tile, Taps x Taps): its transforms in the table, and by their matrices.
template <class T, int Tile, int Taps, WinogradScheme Scheme>
struct Case {
  static constexpr int kPoints = Tile + Taps - 1;
  using Matrix = double[kPoints][kPoints];

  const kernels::WinogradTransforms<T>& fast = kernels::table<T>().winograd[static_cast<int>(Scheme)];
  Matrix products, output_powers, filter_powers;  // B^T [p, p], V_m^T [m, p], N V_r [p, r]

  Case() {
    kernels::naive_products<kPoints>(products);
    Matrix powers;
    kernels::naive_powers<kPoints>(Tile, powers);
    for (int i = 0; i < Tile; ++i)
      for (int j = 0; j < kPoints; ++j) output_powers[i][j] = powers[j][i];
    kernels::naive_powers<kPoints>(Taps, filter_powers);
    for (int i = 0; i < kPoints; ++i)
      for (int j = 0; j < Taps; ++j) filter_powers[i][j] *= kernels::kNorms<kPoints>.values[i];
  }

  /// Channel c of x [side * side, channels] between both sides of M [rows, side].
  void naive(int rows, int side, Matrix& out, const Matrix& M, const Tensor& x, int64_t c) const {
    Matrix in;
    for (int64_t i = 0; i < side * side; ++i) in[i / side][i % side] = x.at<T>({i, c});
    kernels::naive_both_sides<kPoints>(rows, side, out, M, in);
  }

  void check_all() {
    INFO("F(" << Tile << ", " << Taps << ")");
    REQUIRE((fast.tile == Tile && fast.taps == Taps && fast.points == kPoints));
    for (const int64_t C : {1, 7, 16, 17, 40}) {
      INFO(C << " channels");
      check_filter(C);
      for (const int64_t rows : {1, Tile - 1, Tile})
        for (const int64_t columns : {1, Tile}) {
          INFO(rows << " x " << columns);
          for (const bool extras : {false, true}) check_output(C, rows, columns, extras);
          check_grad(C, rows, columns);
        }
      for (const int64_t first : {0, 1, kPoints - 1})
        for (const int64_t last : {first, first + 1, int64_t{kPoints}}) {
          INFO("from " << first << " to " << last);
          check_input(C, first, last);
          check_input_grad(C, first, last);
        }
      for (const bool add : {false, true}) check_weights(C, add);
    }
  }

  // Pixels beside the map are 0, and are not read: NaN lies there.
  void check_input(int64_t C, int64_t first, int64_t last) {
    const int64_t last_column = std::min<int64_t>(last + 1, kPoints);
    const int64_t pixel = C + 3, row = kPoints * pixel + 1, plane = C + 2;
    Tensor d = Tensor::full({kPoints * row}, NAN, dtype_of<T>());
    Tensor on_map = Tensor::zeros({kPoints, kPoints, C}, dtype_of<T>());
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = first; j < last_column; ++j)
        for (int64_t c = 0; c < C; ++c)
          on_map.at<T>({i, j, c}) = d.at<T>({i * row + j * pixel + c}) = static_cast<T>(rng.next_uniform(-1, 1));
    Tensor v = Tensor::full({kPoints * kPoints, plane}, kUntouched, dtype_of<T>()), expected = v.clone();
    fast.input(C, v.data<T>(), plane, {d.data<T>(), row, pixel, first, last, first, last_column});
    const Tensor pixels = on_map.reshape({-1, C});
    for (int64_t c = 0; c < C; ++c) {
      Matrix out;
      naive(kPoints, kPoints, out, products, pixels, c);
      for (int64_t i = 0; i < kPoints * kPoints; ++i)
        expected.at<T>({i, c}) = static_cast<T>(out[i / kPoints][i % kPoints]);
    }
    check_close(v, expected, kTolerance<T>);
  }

  void check_filter(int64_t C) {
    const int64_t plane = C + 2;
    const Tensor w = random({Taps * Taps, C + 1}, rng, dtype_of<T>());
    Tensor u = Tensor::full({kPoints * kPoints, plane}, kUntouched, dtype_of<T>()), expected = u.clone();
    fast.filter(C, u.data<T>(), plane, w.data<T>(), C + 1);
    for (int64_t c = 0; c < C; ++c) {
      Matrix out;
      naive(kPoints, Taps, out, filter_powers, w, c);
      for (int64_t i = 0; i < kPoints * kPoints; ++i)
        expected.at<T>({i, c}) = static_cast<T>(out[i / kPoints][i % kPoints]);
    }
    check_close(u, expected, kTolerance<T>);
  }

  void check_output(int64_t C, int64_t rows, int64_t columns, bool extras) {
    const int64_t pixel = C + 3, row = Tile * pixel + 1, plane = C + 2;
    const Tensor m = random({kPoints * kPoints, plane}, rng, dtype_of<T>()), bias = random({C}, rng, dtype_of<T>());
    Tensor y =
        extras ? random({Tile * row}, rng, dtype_of<T>()) : Tensor::full({Tile * row}, kUntouched, dtype_of<T>());
    Tensor expected = y.clone();
    for (int64_t c = 0; c < C; ++c) {
      Matrix out;
      naive(Tile, kPoints, out, output_powers, m, c);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          T& to = expected.at<T>({i * row + j * pixel + c});
          const double sum = out[i][j] + static_cast<double>(bias.at<T>({c}));
          to = extras ? to + static_cast<T>(std::max(0.0, sum)) : static_cast<T>(out[i][j]);
        }
    }
    fast.output(C, {y.data<T>(), row, pixel, rows, columns, extras ? bias.data<T>() : nullptr, extras, extras},
                m.data<T>(), plane);
    check_close(y, expected, kTolerance<T>);
  }

  // <grad(g), m> = <g, output(m)> for every g and m.
  void check_grad(int64_t C, int64_t rows, int64_t columns) {
    const int64_t pixel = C + 3, row = Tile * pixel + 1, plane = C + 2;
    const Tensor g = random({Tile * row}, rng, dtype_of<T>()),
                 m = random({kPoints * kPoints, plane}, rng, dtype_of<T>());
    Tensor z = Tensor::full({kPoints * kPoints, plane}, kUntouched, dtype_of<T>());
    fast.grad(C, z.data<T>(), plane, g.data<T>(), row, pixel, rows, columns);
    for (int64_t c = 0; c < C; ++c) {
      Matrix out;
      naive(Tile, kPoints, out, output_powers, m, c);
      double left = 0, right = 0;
      for (int64_t i = 0; i < kPoints * kPoints; ++i) left += static_cast<double>(z.at<T>({i, c})) * m.at<T>({i, c});
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
          right += static_cast<double>(g.at<T>({i * row + j * pixel + c})) * out[i][j];
      CHECK(std::abs(left - right) <= 100 * kTolerance<T>);
    }
    CHECK(bitwise_equal(z.slice(1, C, plane), Tensor::full({kPoints * kPoints, 2}, kUntouched, dtype_of<T>())));
  }

  // <input_grad(v), d> = <v, input(d)> for every v and for every d that is 0 beside the map.
  void check_input_grad(int64_t C, int64_t first, int64_t last) {
    const int64_t pixel = C + 3, row = kPoints * pixel + 1, plane = C + 2;
    const Tensor v = random({kPoints * kPoints, plane}, rng, dtype_of<T>());
    Tensor dx = random({kPoints * row}, rng, dtype_of<T>());
    const Tensor before = dx.clone();
    const int64_t last_column = std::min<int64_t>(last + 1, kPoints);
    fast.input_grad(C, {dx.data<T>(), row, pixel, first, last, first, last_column}, v.data<T>(), plane);
    Tensor changes = dx.to(DType::f64);
    changes.add_(before.to(DType::f64), -1);
    for (int64_t c = 0; c < C; ++c) {
      Tensor d = Tensor::zeros({kPoints * kPoints, C}, dtype_of<T>());
      double left = 0, right = 0;
      for (int64_t i = first; i < last; ++i)
        for (int64_t j = first; j < last_column; ++j) {
          const T value = static_cast<T>(rng.next_uniform(-1, 1));
          d.at<T>({i * kPoints + j, c}) = value;
          double& change = changes.at<double>({i * row + j * pixel + c});
          left += change * static_cast<double>(value);
          change = 0;
        }
      Matrix out;
      naive(kPoints, kPoints, out, products, d, c);
      for (int64_t i = 0; i < kPoints * kPoints; ++i)
        right += static_cast<double>(v.at<T>({i, c})) * out[i / kPoints][i % kPoints];
      CHECK(std::abs(left - right) <= 100 * kTolerance<T>);
    }
    CHECK(bitwise_equal(changes, Tensor::zeros(changes.shape(), DType::f64)));  // nothing beside them
  }

  // <weights(u), w> = <u, filter(w)> for every u and w.
  void check_weights(int64_t C, bool add) {
    const Tensor u = random({kPoints * kPoints, C + 2}, rng, dtype_of<T>());
    const Tensor w = random({Taps * Taps, C}, rng, dtype_of<T>());
    const Tensor before = random({Taps * Taps, C + 1}, rng, dtype_of<T>());
    Tensor dw = before.clone();
    fast.weights(C, dw.data<T>(), C + 1, u.data<T>(), C + 2, add);
    for (int64_t c = 0; c < C; ++c) {
      Matrix out;
      naive(kPoints, Taps, out, filter_powers, w, c);
      double left = 0, right = 0;
      for (int64_t tap = 0; tap < Taps * Taps; ++tap)
        left += static_cast<double>(dw.at<T>({tap, c}) - (add ? before.at<T>({tap, c}) : T(0))) * w.at<T>({tap, c});
      for (int64_t i = 0; i < kPoints * kPoints; ++i) right += u.at<T>({i, c}) * out[i / kPoints][i % kPoints];
      CHECK(std::abs(left - right) <= 100 * kTolerance<T>);
    }
    CHECK(bitwise_equal(dw.slice(1, C, C + 1), before.slice(1, C, C + 1)));
  }

  Rng rng{1};
};

}  // namespace

TEMPLATE_TEST_CASE(
    "Winograd's transforms are the products with their matrices, and write nothing beside their channels", "", float,
    double) {
  for_each_isa([] {
    Case<TestType, 2, 3, WinogradScheme::f2x2_3x3>().check_all();
    Case<TestType, 4, 3, WinogradScheme::f4x4_3x3>().check_all();
    Case<TestType, 2, 5, WinogradScheme::f2x2_5x5>().check_all();
    Case<TestType, 4, 5, WinogradScheme::f4x4_5x5>().check_all();
  });
}

TEST_CASE("Winograd's matrices: a product of polynomials from its values at the points") {
  // Of F(4x4, 3x3), along one side: y = V^T [(N V w) . (B^T d)] is the correlation y_i = sum over k of d_(i + k) w_k.
  constexpr int kPoints = 6, kTile = 4, kTaps = 3;
  double products[kPoints][kPoints], outputs[kPoints][kPoints], filters[kPoints][kPoints];
  kernels::naive_products<kPoints>(products);
  kernels::naive_powers<kPoints>(kTile, outputs);
  kernels::naive_powers<kPoints>(kTaps, filters);
  const double d[kPoints] = {1, -2, 3, 5, -7, 11}, w[kTaps] = {2, -1, 3};
  double y[kTile] = {};
  for (int p = 0; p < kPoints; ++p) {
    double at_filter = 0, at_input = 0;
    for (int k = 0; k < kTaps; ++k) at_filter += kernels::kNorms<kPoints>.values[p] * filters[p][k] * w[k];
    for (int k = 0; k < kPoints; ++k) at_input += products[p][k] * d[k];
    for (int i = 0; i < kTile; ++i) y[i] += outputs[p][i] * at_filter * at_input;
  }
  const double expected[kTile] = {13, 8, -20, 50};
  for (int i = 0; i < kTile; ++i) CHECK(std::abs(y[i] - expected[i]) < 1e-12);
}
