#include <kindling/tensor/elementwise.h>

#include <kindling/tensor/kernels/elementwise.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/strided.h>

namespace kindling {
namespace {

using kernels::Binary;
using kernels::Unary;

Tensor map(const char* op, Unary operation, const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_floating(op, x.dtype(), [&](auto t) {
    using T = decltype(t);
    const detail::StridedLoop<2> loop(x.shape(), {y.strides(), x.strides()});
    T* to = y.data<T>();
    const T* from = x.data<T>();
    loop.for_each_run([&](int64_t n, const std::array<int64_t, 2>& at) {
      kernels::table<T>().unary(operation, n, to + at[0], loop.stride(0), from + at[1], loop.stride(1));
    });
  });
  return y;
}

Tensor map(const char* op, Binary operation, const Tensor& a, const Tensor& b) {
  check_same_dtype(op, a, b);
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  Tensor y = Tensor::empty(shape, a.dtype());
  visit_floating(op, a.dtype(), [&](auto t) {
    using T = decltype(t);
    const detail::StridedLoop<3> loop(shape,
                                      {y.strides(), a.broadcast_to(shape).strides(), b.broadcast_to(shape).strides()});
    T* to = y.data<T>();
    const T *from_a = a.data<T>(), *from_b = b.data<T>();
    loop.for_each_run([&](int64_t n, const std::array<int64_t, 3>& at) {
      kernels::table<T>().binary(operation, n, to + at[0], loop.stride(0), from_a + at[1], loop.stride(1),
                                 from_b + at[2], loop.stride(2));
    });
  });
  return y;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return map("add", Binary::add, a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return map("sub", Binary::sub, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return map("mul", Binary::mul, a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return map("div", Binary::div, a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return map("maximum", Binary::maximum, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return map("minimum", Binary::minimum, a, b); }
Tensor pow(const Tensor& a, const Tensor& b) { return map("pow", Binary::pow, a, b); }
Tensor equal(const Tensor& a, const Tensor& b) { return map("equal", Binary::equal, a, b); }
Tensor less(const Tensor& a, const Tensor& b) { return map("less", Binary::less, a, b); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return map("less_equal", Binary::less_equal, a, b); }
Tensor greater(const Tensor& a, const Tensor& b) { return map("greater", Binary::greater, a, b); }
Tensor greater_equal(const Tensor& a, const Tensor& b) { return map("greater_equal", Binary::greater_equal, a, b); }
Tensor relu_grad(const Tensor& grad, const Tensor& y) { return map("relu_grad", Binary::relu_grad, grad, y); }

Tensor neg(const Tensor& x) { return map("neg", Unary::neg, x); }
Tensor abs(const Tensor& x) { return map("abs", Unary::abs, x); }
Tensor sign(const Tensor& x) { return map("sign", Unary::sign, x); }
Tensor exp(const Tensor& x) { return map("exp", Unary::exp, x); }
Tensor log(const Tensor& x) { return map("log", Unary::log, x); }
Tensor log1p(const Tensor& x) { return map("log1p", Unary::log1p, x); }
Tensor sqrt(const Tensor& x) { return map("sqrt", Unary::sqrt, x); }
Tensor rsqrt(const Tensor& x) { return map("rsqrt", Unary::rsqrt, x); }
Tensor square(const Tensor& x) { return map("square", Unary::square, x); }
Tensor reciprocal(const Tensor& x) { return map("reciprocal", Unary::reciprocal, x); }
Tensor sin(const Tensor& x) { return map("sin", Unary::sin, x); }
Tensor cos(const Tensor& x) { return map("cos", Unary::cos, x); }
Tensor tanh(const Tensor& x) { return map("tanh", Unary::tanh, x); }
Tensor sigmoid(const Tensor& x) { return map("sigmoid", Unary::sigmoid, x); }
Tensor softplus(const Tensor& x) { return map("softplus", Unary::softplus, x); }
Tensor erf(const Tensor& x) { return map("erf", Unary::erf, x); }
Tensor relu(const Tensor& x) { return map("relu", Unary::relu, x); }

Tensor add(const Tensor& x, double scalar) { return add(x, Tensor::scalar(scalar, x.dtype())); }
Tensor mul(const Tensor& x, double scalar) { return mul(x, Tensor::scalar(scalar, x.dtype())); }
Tensor pow(const Tensor& x, double exponent) { return pow(x, Tensor::scalar(exponent, x.dtype())); }

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  check_same_dtype("where", mask, a);
  check_same_dtype("where", a, b);
  const Shape shape = broadcast_shapes("where", mask.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  Tensor y = Tensor::empty(shape, a.dtype());
  visit_floating("where", a.dtype(), [&](auto t) {
    using T = decltype(t);
    const detail::StridedLoop<4> loop(shape, {y.strides(), mask.broadcast_to(shape).strides(),
                                              a.broadcast_to(shape).strides(), b.broadcast_to(shape).strides()});
    T* to = y.data<T>();
    const T *from_mask = mask.data<T>(), *from_a = a.data<T>(), *from_b = b.data<T>();
    loop.for_each_run([&](int64_t n, const std::array<int64_t, 4>& at) {
      for (int64_t i = 0; i < n; ++i)
        to[at[0] + i * loop.stride(0)] = from_mask[at[1] + i * loop.stride(1)] != 0
                                             ? from_a[at[2] + i * loop.stride(2)]
                                             : from_b[at[3] + i * loop.stride(3)];
    });
  });
  return y;
}

}  // namespace kindling
