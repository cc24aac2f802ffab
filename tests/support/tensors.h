// What tests of all folders share: random tensors and comparisons.
#pragma once

#include <catch2/catch.hpp>

#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/ops.h>
#include <kindling/tests/support/scopes.h>

namespace kindling::testing {

/// Uniform in [-1, 1).
inline Tensor random(const Shape& shape, Rng& rng, DType dtype = DType::f64) {
  return Tensor::uniform(shape, -1, 1, rng, dtype);
}

/// The same numbers under other strides: every second element of a tensor twice as wide, axes in
/// reverse order.
inline Tensor strided(const Tensor& x) {
  Shape reversed, axes;
  for (int64_t axis = x.rank() - 1; axis >= 0; --axis) {
    reversed.push_back(x.size(axis));
    axes.push_back(axis);
  }
  if (x.rank() == 0) return x;
  Shape wide = reversed;
  wide[0] *= 2;
  Tensor memory = Tensor::zeros(wide, x.dtype());
  Tensor view = memory.slice(0, 0, wide[0], 2).permute(axes);
  view.copy_(x);
  return view;
}

/// Calls f(index) for every index of `shape`, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  Shape index = Shape::filled(shape.rank(), 0);
  for (int64_t i = 0; i < shape.numel(); ++i) {
    f(index);
    for (int64_t axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
  }
}

/// Fails unless shapes are equal and the relative L2 distance is at most `tolerance`.
inline void check_close(const Tensor& actual, const Tensor& expected, double tolerance) {
  REQUIRE(actual.shape() == expected.shape());
  if (actual.numel() == 0) return;
  INFO("largest expected " << norm(expected.to(DType::f64)));
  CHECK(relative_distance(actual, expected) <= tolerance);
}

/// Calls f for every instruction set that this machine has, and goes back.
template <class F>
void for_each_isa(F f) {
  const Isa before = isa();
  for (const Isa set : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (set > best_isa()) continue;
    set_isa(set);
    INFO("instruction set " << name_of(set));
    f();
  }
  set_isa(before);
}

/// Calls f with 1, 2 and 4 threads, and as one of several tasks, and fails unless the results have
/// the same bits.
template <class F>
void check_same_bits_for_all_threads(F f) {
  const ThreadsGuard one(1);
  const Tensor expected = f();
  for (const int n : {2, 4}) {
    const ThreadsGuard threads(n);
    INFO(n << " threads");
    CHECK(bitwise_equal(f(), expected));
    std::vector<Tensor> inside(2);
    parallel_for(2, 1, [&](int64_t task, int64_t) { inside[static_cast<size_t>(task)] = f(); });
    INFO("inside a parallel loop");
    CHECK(bitwise_equal(inside[0], expected));
    CHECK(bitwise_equal(inside[1], expected));
  }
}

/// Fails unless f throws ShapeError (or E) with exactly this text.
template <class E = ShapeError, class F>
void check_throws(F f, const std::string& text) {
  CHECK_THROWS_MATCHES(f(), E, Catch::Message(text));
}

}  // namespace kindling::testing
