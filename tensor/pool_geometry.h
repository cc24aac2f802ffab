// How the windows of a pooling lie on its images. Internal to tensor/.
#pragma once

#include <algorithm>
#include <vector>

#include <kindling/tensor/kernels/pool.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/pool.h>

namespace kindling::detail {

inline Pool2dOptions with_default_stride(Pool2dOptions o) {
  if (o.stride.h == 0) o.stride.h = o.kernel.h;
  if (o.stride.w == 0) o.stride.w = o.kernel.w;
  return o;
}

struct PoolGeometry {
  PoolGeometry(const char* op, const Shape& x, const Pool2dOptions& options)
      : o(with_default_stride(options)), y(pool2d_shape(op, x, options)), N(x[0]), H(x[1]), W(x[2]), C(x[3]) {}

  // The part of output pixel (i, j)'s window that is on image n.
  kernels::Window window(int64_t n, int64_t i, int64_t j) const {
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
  std::vector<Span> row_spans() const { return spans(H, y[1], o.kernel.h, o.stride.h, o.padding.h); }
  std::vector<Span> column_spans() const { return spans(W, y[2], o.kernel.w, o.stride.w, o.padding.w); }

  Pool2dOptions o;
  Shape y;
  int64_t N, H, W, C;

 private:
  static std::vector<Span> spans(int64_t pixels, int64_t windows, int64_t kernel, int64_t stride, int64_t padding) {
    std::vector<Span> result;
    for (int64_t at = padding; at < pixels + padding; ++at) {
      const int64_t first = at < kernel ? 0 : (at - kernel) / stride + 1;
      result.push_back({first, std::min(at / stride + 1, windows) - first, at - first * stride});
    }
    return result;
  }
};

inline void check_max_pool(const char* op, const PoolGeometry& g) {
  check(g.o.kernel.h * g.o.kernel.w <= 256, op, "kernel ", g.o.kernel, " has more than 256 pixels");
}
inline void check_argmax(const char* op, const Tensor& argmax, const PoolGeometry& g) {
  check_max_pool(op, g);
  check(argmax.shape() == g.y && argmax.dtype() == DType::u8, op, "argmax must be u8 ", g.y, ", got ", argmax.dtype(),
        ' ', argmax.shape());
}
inline void check_unpool(const char* op, const Tensor& grad, const Tensor& argmax, const PoolGeometry& g) {
  check(grad.shape() == g.y, op, "gradient must be ", g.y, ", got ", grad.shape());
  check_argmax(op, argmax, g);
}

// Row i of the pooled image n, from `rows`, that image's rows from number `first_row` on.
template <class T>
void max_pool_row(const PoolGeometry& g, int64_t n, int64_t i, T* y, uint8_t* argmax, const T* rows,
                  int64_t first_row) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  for (int64_t j = 0; j < g.y[2]; ++j) {
    kernels::Window window = g.window(0, i, j);
    window.origin -= first_row * g.W * g.C;
    const int64_t at = ((n * g.y[1] + i) * g.y[2] + j) * g.C;
    kernel.max_pool_pixel(window, g.C, y + at, argmax + at, rows);
  }
}

// Row by row the adjoint: gathers the gradient of the image from that of the pooled one.
class MaxUnpool {
 public:
  explicit MaxUnpool(const PoolGeometry& g) : g_(g), rows_(g.row_spans()), columns_(g.column_spans()) {}

  // Row h of image n, into dx [W, C].
  template <class T>
  void row(int64_t n, int64_t h, T* dx, const uint8_t* argmax, const T* grad) const {
    const PoolGeometry::Span& down = rows_[static_cast<size_t>(h)];
    const kernels::Table<T>& kernel = kernels::table<T>();
    const int64_t first_row = (n * g_.y[1] + down.first) * g_.y[2];
    for (const PoolGeometry::Span& across : columns_) {
      const kernels::Covering over{(first_row + across.first) * g_.C,
                                   g_.y[2] * g_.C,
                                   down.count,
                                   across.count,
                                   down.tap * g_.o.kernel.w + across.tap,
                                   g_.o.stride.h * g_.o.kernel.w,
                                   g_.o.stride.w};
      kernel.max_unpool_pixel(over, g_.C, dx, argmax, grad);
      dx += g_.C;
    }
  }

 private:
  const PoolGeometry& g_;
  std::vector<PoolGeometry::Span> rows_, columns_;
};

}  // namespace kindling::detail
