// Elementwise loops on one run of elements. From the rows of the lists here come the enumerators, the loops and the
// functions on tensors of tensor/elementwise.h.
#pragma once

#include <cmath>
#include <cstdint>

namespace kindling::kernels {

// name, value for T x
#define KINDLING_UNARY_OPERATIONS(ROW)                                                     \
  ROW(neg, -x)                                                                             \
  ROW(abs, std::fabs(x))                                                                   \
  ROW(sign, x > 0 ? T(1) : x < 0 ? T(-1) : x) /* NaN stays NaN */                          \
  ROW(exp, std::exp(x))                                                                    \
  ROW(log, std::log(x))                                                                    \
  ROW(log1p, std::log1p(x))                                                                \
  ROW(sqrt, std::sqrt(x))                                                                  \
  ROW(rsqrt, T(1) / std::sqrt(x))                                                          \
  ROW(square, x* x)                                                                        \
  ROW(reciprocal, T(1) / x)                                                                \
  ROW(sin, std::sin(x))                                                                    \
  ROW(cos, std::cos(x))                                                                    \
  ROW(tanh, std::tanh(x))                                                                  \
  ROW(sigmoid, x >= 0 ? T(1) / (T(1) + std::exp(-x)) : std::exp(x) / (T(1) + std::exp(x))) \
  ROW(softplus, (x > 0 ? x : T(0)) + std::log1p(std::exp(-std::fabs(x))))                  \
  ROW(erf, std::erf(x))                                                                    \
  ROW(relu, x < 0 ? T(0) : x) /* NaN stays NaN */

// name, value for T a, b
#define KINDLING_BINARY_OPERATIONS(ROW)                \
  ROW(add, a + b)                                      \
  ROW(sub, a - b)                                      \
  ROW(mul, a* b)                                       \
  ROW(div, a / b)                                      \
  ROW(pow, std::pow(a, b))                             \
  ROW(maximum, a > b || a != a ? a : b) /* NaN wins */ \
  ROW(minimum, a < b || a != a ? a : b)                \
  ROW(equal, T(a == b))                                \
  ROW(less, T(a < b))                                  \
  ROW(less_equal, T(a <= b))                           \
  ROW(greater, T(a > b))                               \
  ROW(greater_equal, T(a >= b))                        \
  ROW(relu_grad, b > 0 ? a : T(0))

#define KINDLING_NAME(name, value) name,
enum class Unary : uint8_t { KINDLING_UNARY_OPERATIONS(KINDLING_NAME) };
enum class Binary : uint8_t { KINDLING_BINARY_OPERATIONS(KINDLING_NAME) };
#undef KINDLING_NAME

namespace {  // a copy of its own for each instruction set: see table.inc

// y[i sy] = f(x[i sx]) for i in [0, n). y may be x; else they do not overlap. The contiguous case is the fast one: the
// compiler turns it into vector code for the instruction set that this file is compiled for.
template <class T, class F>
inline void map_run(int64_t n, T* y, int64_t sy, const T* x, int64_t sx, F f) {
  if (sy == 1 && sx == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * sy] = f(x[i * sx]);
  }
}

// y[i sy] = f(a[i sa], b[i sb]). y may be a or b. A stride of 0 is a broadcast scalar.
template <class T, class F>
inline void map_run(int64_t n, T* y, int64_t sy, const T* a, int64_t sa, const T* b, int64_t sb, F f) {
  if (sy == 1 && sa == 1 && sb == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (sy == 1 && sa == 1 && sb == 0) {
    const T scalar = *b;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], scalar);
  } else if (sy == 1 && sa == 0 && sb == 1) {
    const T scalar = *a;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(scalar, b[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * sy] = f(a[i * sa], b[i * sb]);
  }
}

template <class T>
void unary(Unary operation, int64_t n, T* y, int64_t sy, const T* x_run, int64_t sx) {
  switch (operation) {
#define KINDLING_CASE(name, value) \
  case Unary::name:                \
    return map_run(n, y, sy, x_run, sx, [](T x) -> T { return value; });
    KINDLING_UNARY_OPERATIONS(KINDLING_CASE)
#undef KINDLING_CASE
  }
}

template <class T>
void binary(Binary operation, int64_t n, T* y, int64_t sy, const T* a_run, int64_t sa, const T* b_run, int64_t sb) {
  switch (operation) {
#define KINDLING_CASE(name, value) \
  case Binary::name:               \
    return map_run(n, y, sy, a_run, sa, b_run, sb, [](T a, T b) -> T { return value; });
    KINDLING_BINARY_OPERATIONS(KINDLING_CASE)
#undef KINDLING_CASE
  }
}

// y[i sy] += scale * x[i sx]
template <class T>
void add_scaled(int64_t n, T* y, int64_t sy, const T* x, int64_t sx, T scale) {
  map_run(n, y, sy, y, sy, x, sx, [scale](T a, T b) -> T { return a + scale * b; });
}

}  // namespace
}  // namespace kindling::kernels
