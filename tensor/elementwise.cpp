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

// For each row of the lists, the function that elementwise.h declares.
#define KINDLING_FUNCTION(name, value) \
  Tensor name(const Tensor& x) { return map(#name, Unary::name, x); }
KINDLING_UNARY_OPERATIONS(KINDLING_FUNCTION)
#undef KINDLING_FUNCTION
#define KINDLING_FUNCTION(name, value) \
  Tensor name(const Tensor& a, const Tensor& b) { return map(#name, Binary::name, a, b); }
KINDLING_BINARY_OPERATIONS(KINDLING_FUNCTION)
#undef KINDLING_FUNCTION

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
