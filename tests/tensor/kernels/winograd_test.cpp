#include <kindling/tensor/kernels/winograd.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/kernels/table.h>
#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

constexpr double kUntouched = 12345;

template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;

template <class T>
void check_input() {
  Rng rng(1);
  for (const int64_t C : {1, 7, 16, 17, 40}) {
    INFO(C << " channels");
    const int64_t pixel = C + 3, row = 5 * pixel, plane = C + 2;
    const Tensor d = random({4 * row}, rng, dtype_of<T>());
    Tensor v = Tensor::full({16, plane}, kUntouched, dtype_of<T>()), expected = v.clone();
    kernels::table<T>().winograd_input(C, v.data<T>(), plane, d.data<T>(), row, pixel);
    for (int64_t c = 0; c < C; ++c) {
      T in[4][4], out[4][4];
      for (int64_t i = 0; i < 16; ++i) in[i / 4][i % 4] = d.data<T>()[i / 4 * row + i % 4 * pixel + c];
      kernels::naive_winograd_input(out, in);
      for (int64_t i = 0; i < 16; ++i) expected.at<T>({i, c}) = out[i / 4][i % 4];
    }
    check_close(v, expected, kTolerance<T>);
  }
}

template <class T>
void check_output() {
  Rng rng(2);
  for (const int64_t C : {1, 7, 16, 17, 40})
    for (const int64_t rows : {1, 2})
      for (const int64_t columns : {1, 2})
        for (const bool extras : {false, true}) {
          INFO(C << " channels, " << rows << " x " << columns << (extras ? ", bias, ReLU and sum" : ""));
          const int64_t pixel = C + 3, row = 3 * pixel, plane = C + 2;
          const Tensor m = random({16, plane}, rng, dtype_of<T>()), bias = random({C}, rng, dtype_of<T>());
          Tensor y =
              extras ? random({2 * row}, rng, dtype_of<T>()) : Tensor::full({2 * row}, kUntouched, dtype_of<T>());
          Tensor expected = y.clone();
          for (int64_t c = 0; c < C; ++c) {
            T in[4][4], out[2][2];
            for (int64_t i = 0; i < 16; ++i) in[i / 4][i % 4] = m.at<T>({i, c});
            kernels::naive_winograd_output(out, in);
            for (int64_t i = 0; i < rows; ++i)
              for (int64_t j = 0; j < columns; ++j) {
                T& to = expected.at<T>({i * row + j * pixel + c});
                to = extras ? to + std::max(T(0), out[i][j] + bias.at<T>({c})) : out[i][j];
              }
          }
          kernels::table<T>().winograd_output(
              C, {y.data<T>(), row, pixel, rows, columns, extras ? bias.data<T>() : nullptr, extras, extras},
              m.data<T>(), plane);
          check_close(y, expected, kTolerance<T>);
        }
}

// For one channel: <A g A^T, m> = <g, A^T m A> for every g and m, and <G^T u G, w> = <u, G w G^T>.
template <class T>
void check_adjoints() {
  constexpr double G[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  Rng rng(3);
  for (const int64_t C : {1, 7, 16, 17, 40})
    for (const int64_t rows : {1, 2})
      for (const int64_t columns : {1, 2}) {
        INFO(C << " channels, " << rows << " x " << columns);
        const int64_t pixel = C + 3, row = 3 * pixel, plane = C + 2;
        const Tensor g = random({2 * row}, rng, dtype_of<T>()), m = random({16, plane}, rng, dtype_of<T>());
        const Tensor w = random({9, C}, rng, dtype_of<T>()), before = random({9, C + 1}, rng, dtype_of<T>());
        Tensor z = Tensor::full({16, plane}, kUntouched, dtype_of<T>()), dw = before.clone();
        kernels::table<T>().winograd_grad(C, z.data<T>(), plane, g.data<T>(), row, pixel, rows, columns);
        kernels::table<T>().winograd_weights(C, dw.data<T>(), C + 1, m.data<T>(), plane, rows == 2);
        for (int64_t c = 0; c < C; ++c) {
          T in[4][4], out[2][2];
          for (int64_t i = 0; i < 16; ++i) in[i / 4][i % 4] = m.at<T>({i, c});
          kernels::naive_winograd_output(out, in);
          double left = 0, right = 0;
          for (int64_t i = 0; i < 16; ++i) left += static_cast<double>(z.at<T>({i, c})) * m.at<T>({i, c});
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j)
              right += static_cast<double>(g.at<T>({i * row + j * pixel + c})) * out[i][j];
          CHECK(std::abs(left - right) <= 30 * kTolerance<T>);
          left = right = 0;
          for (int64_t tap = 0; tap < 9; ++tap)
            left += (dw.at<T>({tap, c}) - (rows == 2 ? before.at<T>({tap, c}) : T(0))) * w.at<T>({tap, c});
          for (int64_t i = 0; i < 16; ++i)
            for (int64_t tap = 0; tap < 9; ++tap)
              right += m.at<T>({i, c}) * G[i / 4][tap / 3] * w.at<T>({tap, c}) * G[i % 4][tap % 3];
          CHECK(std::abs(left - right) <= 30 * kTolerance<T>);
        }
        CHECK(bitwise_equal(z.slice(1, C, plane), Tensor::full({16, 2}, kUntouched, dtype_of<T>())));
        CHECK(bitwise_equal(dw.slice(1, C, C + 1), before.slice(1, C, C + 1)));
      }
}

}  // namespace

TEST_CASE("Winograd's transforms are the products with their matrices, and write nothing beside their channels") {
  for_each_isa([] {
    check_input<float>();
    check_input<double>();
    check_output<float>();
    check_output<double>();
    check_adjoints<float>();
    check_adjoints<double>();
  });
}

TEST_CASE("the smallest tile: four outputs of one channel from sixteen products") {
  double d[4][4], v[4][4], m[4][4], y[2][2];
  for (int i = 0; i < 16; ++i) d[i / 4][i % 4] = i;
  kernels::naive_winograd_input(v, d);
  // w = 1 everywhere, so y sums 3x3 pixels; G w G^T by hand.
  const double g[4] = {1, 1.5, 0.5, 1};
  for (int i = 0; i < 16; ++i) m[i / 4][i % 4] = v[i / 4][i % 4] * g[i / 4] * g[i % 4];
  kernels::naive_winograd_output(y, m);
  CHECK(y[0][0] == 45);
  CHECK(y[0][1] == 54);
  CHECK(y[1][0] == 81);
  CHECK(y[1][1] == 90);
}
