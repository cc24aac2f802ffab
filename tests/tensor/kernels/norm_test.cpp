#include <kindling/tensor/kernels/norm.h>

#include <kindling/tensor/kernels/table.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

/// Operands of all kernels, whose rows lie further apart than they are long.
template <class T>
struct Operands {
  Operands(int64_t some_rows, int64_t channels, bool relu, Rng& rng)
      : rows(some_rows),
        C(channels),
        ld(channels + 3),
        x(random({rows, C}, rng, dtype_of<T>())),
        grad(random({rows, ld}, rng, dtype_of<T>())),
        map(random({rows, ld}, rng, dtype_of<T>())),
        per_channel(random({6, C}, rng, dtype_of<T>())),
        affine{channel(0), channel(1), channel(2), relu} {}
  const T* channel(int64_t i) const { return per_channel.data<T>() + i * C; }

  int64_t rows, C, ld;
  Tensor x, grad, map, per_channel;
  kernels::Affine<T> affine;
};

/// Calls f(sums, out) with the fast kernel and with the naive one; both must leave the same in two
/// sums per channel and in `out`, which begins as `from`.
template <class Fast, class Naive>
void check_same(int64_t C, const Tensor& from, double tolerance, Fast fast, Naive naive) {
  Tensor sums = Tensor::full({2, C}, 0.5, DType::f64), expected_sums = sums.clone();
  Tensor out = from.clone(), expected = from.clone();
  fast(sums.data<double>(), out);
  naive(expected_sums.data<double>(), expected);
  check_close(sums, expected_sums, tolerance);
  check_close(out, expected, tolerance);
}

template <class T>
void check_norm_kernels() {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;
  Rng rng(5);
  for (const int64_t C : {1, 3, 16, 20, 64, 131})
    for (const int64_t rows : {1, 31, 70})
      for (const bool relu : {false, true}) {
        INFO(rows << " rows of " << C << " channels, ReLU " << relu);
        const Operands<T> o(rows, C, relu, rng);
        const int64_t ld = o.ld;
        const T *x = o.x.template data<T>(), *grad = o.grad.template data<T>(), *map = o.map.template data<T>();
        check_same(
            C, o.x, tolerance,
            [&](double* sums, Tensor&) { kernel.batch_norm_moments(rows, C, sums, sums + C, x, o.channel(0)); },
            [&](double* sums, Tensor&) {
              kernels::naive_batch_norm_moments(rows, C, sums, sums + C, x, o.channel(0));
            });
        for (const bool add : {false, true})
          check_same(
              C, o.map, tolerance,
              [&](double*, Tensor& y) { kernel.batch_norm_y(rows, C, y.data<T>(), ld, x, o.affine, add); },
              [&](double*, Tensor& y) { kernels::naive_batch_norm_y(rows, C, y.data<T>(), ld, x, o.affine, add); });
        check_same(
            C, o.x, tolerance,
            [&](double* sums, Tensor&) { kernel.batch_norm_sums(rows, C, sums, sums + C, grad, ld, x, o.affine); },
            [&](double* sums, Tensor&) {
              kernels::naive_batch_norm_sums(rows, C, sums, sums + C, grad, ld, x, o.affine);
            });
        // Written over the gradient that is read.
        check_same(
            C, o.grad, tolerance,
            [&](double*, Tensor& g) {
              kernel.batch_norm_dx(rows, C, g.data<T>(), ld, g.data<T>(), ld, x, o.affine, o.channel(3), o.channel(4),
                                   o.channel(5));
            },
            [&](double*, Tensor& g) {
              kernels::naive_batch_norm_dx(rows, C, g.data<T>(), ld, g.data<T>(), ld, x, o.affine, o.channel(3),
                                           o.channel(4), o.channel(5));
            });
        check_same(
            C, o.grad, tolerance,
            [&](double* sums, Tensor& g) {
              kernel.relu_bias_grad(rows, C, g.data<T>(), ld, sums, g.data<T>(), ld, map, ld);
            },
            [&](double* sums, Tensor& g) {
              kernels::naive_relu_bias_grad(rows, C, g.data<T>(), ld, sums, g.data<T>(), ld, map, ld);
            });
      }
}

}  // namespace

TEST_CASE("batch normalisation's kernels and ReLU's gradient are their loops, for every instruction set") {
  for_each_isa([] {
    check_norm_kernels<float>();
    check_norm_kernels<double>();
  });
}
