#include <kindling/tensor/pool.h>

#include <algorithm>
#include <vector>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/pool.h>
#include <kindling/tensor/kernels/table.h>

namespace kindling {
namespace {

using kernels::Covering;
using kernels::Window;

Pool2dOptions with_default_stride(Pool2dOptions o) {
  if (o.stride.h == 0) o.stride.h = o.kernel.h;
  if (o.stride.w == 0) o.stride.w = o.kernel.w;
  return o;
}

int64_t pooled_size(int64_t in, int64_t kernel, int64_t stride, int64_t pad, bool ceil_mode) {
  const int64_t room = in + 2 * pad - kernel;
  if (room < 0) return ceil_mode && in > 0 && room + stride > 0 ? 1 : 0;
  int64_t out = (ceil_mode ? (room + stride - 1) / stride : room / stride) + 1;
  if (ceil_mode && (out - 1) * stride >= in + pad) --out;
  return out;
}

// One pooling: walks output pixels with the part of their window that is on the image.
struct Geometry {
  Geometry(const char* op, const Shape& x, const Pool2dOptions& options)
      : o(with_default_stride(options)), y(pool2d_shape(op, x, options)), H(x[1]), W(x[2]), C(x[3]) {}

  Window window(int64_t n, int64_t i, int64_t j) const {
    const int64_t h = i * o.stride.h - o.padding.h, w = j * o.stride.w - o.padding.w;
    return {((n * H + h) * W + w) * C,
            W * C,
            std::max<int64_t>(0, -h),
            std::min(o.kernel.h, H - h),
            std::max<int64_t>(0, -w),
            std::min(o.kernel.w, W - w),
            o.kernel.w};
  }

  // The windows along one axis that see one of its pixels, and the pixel's place in the first of them.
  struct Span {
    int64_t first, count, tap;
  };
  static std::vector<Span> spans(int64_t pixels, int64_t windows, int64_t kernel, int64_t stride, int64_t padding) {
    std::vector<Span> result;
    for (int64_t at = padding; at < pixels + padding; ++at) {
      const int64_t first = at < kernel ? 0 : (at - kernel) / stride + 1;
      result.push_back({first, std::min(at / stride + 1, windows) - first, at - first * stride});
    }
    return result;
  }

  // Divisor of an average: pixels of the window that are on the image or, if they count, in its padding.
  int64_t divisor(const Window& window, int64_t i, int64_t j) const {
    if (!o.count_include_pad) return (window.p1 - window.p0) * (window.q1 - window.q0);
    const int64_t h = i * o.stride.h - o.padding.h, w = j * o.stride.w - o.padding.w;
    return (std::min(h + o.kernel.h, H + o.padding.h) - h) * (std::min(w + o.kernel.w, W + o.padding.w) - w);
  }

  // Calls f(window, output element, i, j). Output rows are
  // independent tasks; or, if f writes to the windows, whole images.
  template <class F>
  void for_each_pixel(bool windows_are_written, F f) const {
    const int64_t rows_per_task = windows_are_written ? y[1] : 1;
    parallel_for(y[0] * y[1], rows_per_task, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t j = 0; j < y[2]; ++j) f(window(row / y[1], row % y[1], j), (row * y[2] + j) * C, row % y[1], j);
    });
  }

  Pool2dOptions o;
  Shape y;
  int64_t H, W, C;
};

void check_argmax(const char* op, const Tensor& argmax, const Geometry& g) {
  check(argmax.shape() == g.y && argmax.dtype() == DType::u8, op, "argmax must be u8 ", g.y, ", got ", argmax.dtype(),
        ' ', argmax.shape());
}

}  // namespace

Shape pool2d_shape(const char* op, const Shape& x, const Pool2dOptions& options) {
  const Pool2dOptions o = with_default_stride(options);
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
  const Geometry g("max_pool2d", input.shape(), options);
  check(g.o.kernel.h * g.o.kernel.w <= 256, "max_pool2d", "kernel ", g.o.kernel, " has more than 256 pixels");
  const Tensor x = input.contiguous();
  MaxPool2dResult result{Tensor::empty(g.y, x.dtype()), Tensor::empty(g.y, DType::u8)};
  visit_floating("max_pool2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* y = result.values.data<T>();
    uint8_t* argmax = result.argmax.data<uint8_t>();
    g.for_each_pixel(false, [&](const Window& window, int64_t at, int64_t, int64_t) {
      kernels::table<T>().max_pool_pixel(window, g.C, y + at, argmax + at, x.data<T>());
    });
  });
  return result;
}

Tensor max_pool2d_at(const Tensor& input, const Tensor& argmax_any, const Pool2dOptions& options) {
  const Geometry g("max_pool2d_at", input.shape(), options);
  check_argmax("max_pool2d_at", argmax_any, g);
  const Tensor x = input.contiguous(), argmax = argmax_any.contiguous();
  Tensor y = Tensor::empty(g.y, x.dtype());
  visit_floating("max_pool2d_at", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.data<T>();
    g.for_each_pixel(false, [&](const Window& window, int64_t at, int64_t, int64_t) {
      kernels::table<T>().max_pool_pick_pixel(window, g.C, to + at, argmax.data<uint8_t>() + at, x.data<T>());
    });
  });
  return y;
}

Tensor max_unpool2d(const Tensor& grad_any, const Tensor& argmax_any, const Shape& x_shape,
                    const Pool2dOptions& options) {
  const Geometry g("max_unpool2d", x_shape, options);
  check(grad_any.shape() == g.y, "max_unpool2d", "gradient must be ", g.y, ", got ", grad_any.shape());
  check_argmax("max_unpool2d", argmax_any, g);
  const Tensor grad = grad_any.contiguous(), argmax = argmax_any.contiguous();
  Tensor dx = Tensor::empty(x_shape, grad.dtype());
  const auto rows = Geometry::spans(g.H, g.y[1], g.o.kernel.h, g.o.stride.h, g.o.padding.h);
  const auto columns = Geometry::spans(g.W, g.y[2], g.o.kernel.w, g.o.stride.w, g.o.padding.w);
  visit_floating("max_unpool2d", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dx.data<T>();
    parallel_for(x_shape[0] * g.H, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const Geometry::Span& down = rows[static_cast<size_t>(row % g.H)];
        const int64_t first_row = (row / g.H * g.y[1] + down.first) * g.y[2];
        T* pixel = to + row * g.W * g.C;
        for (const Geometry::Span& across : columns) {
          const Covering over{(first_row + across.first) * g.C,
                              g.y[2] * g.C,
                              down.count,
                              across.count,
                              down.tap * g.o.kernel.w + across.tap,
                              g.o.stride.h * g.o.kernel.w,
                              g.o.stride.w};
          kernels::table<T>().max_unpool_pixel(over, g.C, pixel, argmax.data<uint8_t>(), grad.data<T>());
          pixel += g.C;
        }
      }
    });
  });
  return dx;
}

Tensor avg_pool2d(const Tensor& input, const Pool2dOptions& options) {
  const Geometry g("avg_pool2d", input.shape(), options);
  const Tensor x = input.contiguous();
  Tensor y = Tensor::empty(g.y, x.dtype());
  visit_floating("avg_pool2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.data<T>();
    g.for_each_pixel(false, [&](const Window& window, int64_t at, int64_t i, int64_t j) {
      kernels::table<T>().avg_pool_pixel(window, g.C, T(1) / static_cast<T>(g.divisor(window, i, j)), to + at,
                                         x.data<T>());
    });
  });
  return y;
}

Tensor avg_pool2d_grad(const Tensor& grad_any, const Shape& x_shape, const Pool2dOptions& options) {
  const Geometry g("avg_pool2d_grad", x_shape, options);
  check(grad_any.shape() == g.y, "avg_pool2d_grad", "gradient must be ", g.y, ", got ", grad_any.shape());
  const Tensor grad = grad_any.contiguous();
  Tensor dx = Tensor::zeros(x_shape, grad.dtype());
  visit_floating("avg_pool2d_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dx.data<T>();
    g.for_each_pixel(true, [&](const Window& window, int64_t at, int64_t i, int64_t j) {
      kernels::table<T>().avg_unpool_pixel(window, g.C, T(1) / static_cast<T>(g.divisor(window, i, j)), to,
                                           grad.data<T>() + at);
    });
  });
  return dx;
}

}  // namespace kindling
