#include <kindling/tensor/pool.h>

#include <algorithm>

#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/pool_geometry.h>

namespace kindling {
namespace {

using detail::check_argmax;
using detail::PoolGeometry;
using kernels::Window;

int64_t pooled_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad, bool ceil_mode) {
  if (in == 0) return 0;  // no window would see a pixel
  const int64_t room = in + 2 * pad - kernel;
  if (room < 0) return ceil_mode && room + stride > 0 ? 1 : 0;
  int64_t out = (ceil_mode ? ceil_div(room, stride) : room / stride) + 1;
  if (ceil_mode && (out - 1) * stride >= in + pad) --out;
  return out;
}

// Divisor of an average: pixels of the window that are on the image or, if they count, in its padding.
int64_t divisor(const PoolGeometry& g, const Window& window, int64_t i, int64_t j) {
  const Pool2dOptions& o = g.o;
  if (!o.count_include_pad) return (window.p1 - window.p0) * (window.q1 - window.q0);
  const int64_t h = i * o.stride.h - o.padding.h, w = j * o.stride.w - o.padding.w;
  return (std::min(h + o.kernel.h, g.H + o.padding.h) - h) * (std::min(w + o.kernel.w, g.W + o.padding.w) - w);
}

// Calls f(window, output element, i, j) for every output pixel. Output rows are independent tasks; or, if f writes to
// the windows, whole images.
template <class F>
void for_each_pixel(const PoolGeometry& g, bool windows_are_written, F f) {
  const int64_t OH = g.y[1], OW = g.y[2];
  parallel_for(g.N * OH, windows_are_written ? OH : 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t j = 0; j < OW; ++j) f(g.window(row / OH, row % OH, j), (row * OW + j) * g.C, row % OH, j);
  });
}

}  // namespace

Shape pool2d_shape(const char* op, const Shape& x, const Pool2dOptions& options) {
  const Pool2dOptions o = detail::with_default_stride(options);
  check(x.rank() == 4, op, "input must be [N, H, W, C], got ", x);
  check(o.kernel.h >= 1 && o.kernel.w >= 1 && o.stride.h >= 1 && o.stride.w >= 1, op, "kernel ", o.kernel,
        " and stride ", o.stride, " must be at least 1");
  check(o.padding.h >= 0 && o.padding.w >= 0 && 2 * o.padding.h <= o.kernel.h && 2 * o.padding.w <= o.kernel.w, op,
        "padding ", o.padding, " must be at most half the kernel, ", o.kernel);
  const Shape y{x[0], pooled_size(x[1], o.kernel.h, o.stride.h, o.padding.h, o.ceil_mode),
                pooled_size(x[2], o.kernel.w, o.stride.w, o.padding.w, o.ceil_mode), x[3]};
  check(y[1] > 0 && y[2] > 0, op, "output would be empty: input ", x, ", kernel ", o.kernel, ", padding ", o.padding);
  return y;
}

MaxPool2dResult max_pool2d(const Tensor& input, const Pool2dOptions& options) {
  const PoolGeometry g("max_pool2d", input.shape(), options);
  detail::check_max_pool("max_pool2d", g);
  const Tensor x = input.contiguous();
  MaxPool2dResult result{Tensor::empty(g.y, x.dtype()), Tensor::empty(g.y, DType::u8)};
  visit_floating("max_pool2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* y = result.values.data<T>();
    uint8_t* argmax = result.argmax.data<uint8_t>();
    parallel_for(g.N * g.y[1], 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t n = row / g.y[1];
        detail::max_pool_row<T>(g, n, row % g.y[1], y, argmax, x.data<T>() + n * g.H * g.W * g.C, 0);
      }
    });
  });
  return result;
}

Tensor max_pool2d_at(const Tensor& input, const Tensor& argmax_any, const Pool2dOptions& options) {
  const PoolGeometry g("max_pool2d_at", input.shape(), options);
  check_argmax("max_pool2d_at", argmax_any, g);
  const Tensor x = input.contiguous(), argmax = argmax_any.contiguous();
  Tensor y = Tensor::empty(g.y, x.dtype());
  visit_floating("max_pool2d_at", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.data<T>();
    for_each_pixel(g, false, [&](const Window& window, int64_t at, int64_t, int64_t) {
      kernels::table<T>().max_pool_pick_pixel(window, g.C, to + at, argmax.data<uint8_t>() + at, x.data<T>());
    });
  });
  return y;
}

Tensor max_unpool2d(const Tensor& grad_any, const Tensor& argmax_any, const Shape& x_shape,
                    const Pool2dOptions& options) {
  const PoolGeometry g("max_unpool2d", x_shape, options);
  detail::check_unpool("max_unpool2d", grad_any, argmax_any, g);
  const Tensor grad = grad_any.contiguous(), argmax = argmax_any.contiguous();
  Tensor dx = Tensor::empty(x_shape, grad.dtype());
  const detail::MaxUnpool unpool(g);
  visit_floating("max_unpool2d", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dx.data<T>();
    parallel_for(g.N * g.H, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        unpool.row<T>(row / g.H, row % g.H, to + row * g.W * g.C, argmax.data<uint8_t>(), grad.data<T>());
    });
  });
  return dx;
}

Tensor avg_pool2d(const Tensor& input, const Pool2dOptions& options) {
  const PoolGeometry g("avg_pool2d", input.shape(), options);
  const Tensor x = input.contiguous();
  Tensor y = Tensor::empty(g.y, x.dtype());
  visit_floating("avg_pool2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.data<T>();
    for_each_pixel(g, false, [&](const Window& window, int64_t at, int64_t i, int64_t j) {
      kernels::table<T>().avg_pool_pixel(window, g.C, T(1) / static_cast<T>(divisor(g, window, i, j)), to + at,
                                         x.data<T>());
    });
  });
  return y;
}

Tensor avg_pool2d_grad(const Tensor& grad_any, const Shape& x_shape, const Pool2dOptions& options) {
  const PoolGeometry g("avg_pool2d_grad", x_shape, options);
  check(grad_any.shape() == g.y, "avg_pool2d_grad", "gradient must be ", g.y, ", got ", grad_any.shape());
  const Tensor grad = grad_any.contiguous();
  Tensor dx = Tensor::zeros(x_shape, grad.dtype());
  visit_floating("avg_pool2d_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dx.data<T>();
    for_each_pixel(g, true, [&](const Window& window, int64_t at, int64_t i, int64_t j) {
      kernels::table<T>().avg_unpool_pixel(window, g.C, T(1) / static_cast<T>(divisor(g, window, i, j)), to,
                                           grad.data<T>() + at);
    });
  });
  return dx;
}

}  // namespace kindling
