#include <kindling/tensor/conv.h>

#include <algorithm>
#include <atomic>

#include <kindling/tensor/kernels/conv.h>
#include <kindling/tensor/kernels/gemm.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>

namespace kindling {
namespace {

using kernels::ConvShape;

std::atomic<ConvAlgorithm> algorithm{ConvAlgorithm::automatic};
bool use_naive() { return algorithm.load(std::memory_order_relaxed) == ConvAlgorithm::naive; }

// Bytes of an im2col buffer: it stays in L2 (1 MiB a core on the machines it was measured on) beside the weights and
// the output.
constexpr int64_t kTileBytes = 256 << 10;
// Weight gradients are summed in this many parts, each by one task over a fixed share of the tiles, and the parts then
// in order.
constexpr int64_t kWeightGradParts = 8;

ConvShape make_shape(const char* op, const Shape& x, const Shape& w, const Conv2dOptions& o) {
  check(x.rank() == 4, op, "input must be [N, H, W, C], got ", x);
  check(w.rank() == 4, op, "weight must be [O, KH, KW, I], got ", w);
  check(o.groups >= 1 && x[3] % o.groups == 0 && w[0] % o.groups == 0, op, "groups ", o.groups,
        " does not divide channels: input ", x, ", weight ", w);
  check(x[3] == w[3] * o.groups, op, "input has ", x[3], " channels, weight expects ", w[3] * o.groups, ": input ", x,
        ", weight ", w);
  check(o.stride.h >= 1 && o.stride.w >= 1 && o.dilation.h >= 1 && o.dilation.w >= 1 && o.padding.h >= 0 &&
            o.padding.w >= 0,
        op, "stride ", o.stride, " and dilation ", o.dilation, " must be at least 1, padding ", o.padding,
        " at least 0");
  const auto out = [](int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  };
  const int64_t OH = out(x[1], w[1], o.stride.h, o.padding.h, o.dilation.h);
  const int64_t OW = out(x[2], w[2], o.stride.w, o.padding.w, o.dilation.w);
  check(OH > 0 && OW > 0, op, "output would be empty: input ", x, ", weight ", w, ", padding ", o.padding,
        ", dilation ", o.dilation);
  return {x[0], x[1],       x[2],       x[3],        w[0],        w[1],         w[2],         OH,
          OW,   o.stride.h, o.stride.w, o.padding.h, o.padding.w, o.dilation.h, o.dilation.w, o.groups};
}

Shape output_shape(const ConvShape& s) { return {s.N, s.OH, s.OW, s.O}; }

// The output pixels of every image, cut into tiles of nearly equal size. A pointwise convolution needs no buffer, and
// its images are one long row of pixels.
struct Tiling {
  Tiling(const ConvShape& s, int64_t element_bytes)
      : images(s.is_pointwise() ? 1 : s.N), pixels(s.OH * s.OW * (s.is_pointwise() ? s.N : 1)) {
    constexpr int64_t kMinPixels = 16;  // below, GEMM has too few rows to reuse the weights
    const int64_t row_bytes = (s.is_pointwise() ? s.C + s.O : s.patch()) * element_bytes;
    const int64_t largest = std::max(kMinPixels, kTileBytes / row_bytes);
    per_image = (pixels + largest - 1) / largest;
  }
  int64_t count() const { return images * per_image; }
  int64_t image(int64_t tile) const { return tile / per_image; }
  int64_t begin(int64_t tile) const { return tile % per_image * pixels / per_image; }
  int64_t end(int64_t tile) const { return (tile % per_image + 1) * pixels / per_image; }

  int64_t images, pixels, per_image;
};

// The matrix of patches for one tile: gathered into `buffer`, or the image itself where a patch is one pixel.
template <class T>
const T* patches(const ConvShape& s, const Tiling& tiling, int64_t tile, int64_t group, Tensor& buffer, const T* x) {
  if (s.is_pointwise()) return x + tiling.begin(tile) * s.C;
  if (!buffer.defined()) buffer = Tensor::empty({tiling.pixels / tiling.per_image + 1, s.patch()}, dtype_of<T>());
  kernels::im2col(s, tiling.begin(tile), tiling.end(tile), group, buffer.data<T>(),
                  x + tiling.image(tile) * s.H * s.W * s.C);
  return buffer.data<T>();
}

// y[pixels, O] = patches[pixels, K] w[O, K]^T, on top of the bias.
template <class T>
void im2col_conv2d(const ConvShape& s, T* y, const T* x, const T* w, const T* bias) {
  const Tiling tiling(s, sizeof(T));
  parallel_for(tiling.count(), 1, [&](int64_t first, int64_t last) {
    Tensor buffer;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t rows = tiling.end(tile) - tiling.begin(tile);
      T* out = y + (tiling.image(tile) * tiling.pixels + tiling.begin(tile)) * s.O;
      if (bias != nullptr)
        for (int64_t r = 0; r < rows; ++r) std::copy_n(bias, s.O, out + r * s.O);
      for (int64_t g = 0; g < s.groups; ++g) {
        const T* cols = patches(s, tiling, tile, g, buffer, x);
        kernels::gemm<T>(false, true, rows, s.group_out(), s.patch(), T(1), cols, s.patch(),
                         w + g * s.group_out() * s.patch(), s.patch(), T(bias != nullptr), out + g * s.group_out(),
                         s.O);
      }
    }
  });
}

// d patches[pixels, K] = grad[pixels, O] w[O, K], added back to the pixels they came from. Patches of one image
// overlap, so its tiles are one task.
template <class T>
void im2col_input_grad(const ConvShape& s, T* dx, const T* grad, const T* w) {
  const Tiling tiling(s, sizeof(T));
  const int64_t tiles_per_task = s.is_pointwise() ? 1 : tiling.per_image;
  parallel_for(tiling.count(), tiles_per_task, [&](int64_t first, int64_t last) {
    Tensor buffer;
    if (!s.is_pointwise()) buffer = Tensor::empty({tiling.pixels / tiling.per_image + 1, s.patch()}, dtype_of<T>());
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t rows = tiling.end(tile) - tiling.begin(tile);
      const T* from = grad + (tiling.image(tile) * tiling.pixels + tiling.begin(tile)) * s.O;
      for (int64_t g = 0; g < s.groups; ++g) {
        T* cols = s.is_pointwise() ? dx + tiling.begin(tile) * s.C : buffer.data<T>();
        kernels::gemm<T>(false, false, rows, s.patch(), s.group_out(), T(1), from + g * s.group_out(), s.O,
                         w + g * s.group_out() * s.patch(), s.patch(), T(0), cols, s.patch());
        if (!s.is_pointwise())
          kernels::col2im(s, tiling.begin(tile), tiling.end(tile), g, dx + tiling.image(tile) * s.H * s.W * s.C, cols);
      }
    }
  });
}

// dw[O, K] = sum over tiles of grad[pixels, O]^T patches[pixels, K].
template <class T>
void im2col_weight_grad(const ConvShape& s, T* dw, const T* grad, const T* x) {
  const Tiling tiling(s, sizeof(T));
  const int64_t parts = std::min(kWeightGradParts, tiling.count()), size = s.O * s.patch();
  Tensor sums = Tensor::zeros({parts, size}, dtype_of<T>());
  T* partial = sums.data<T>();
  parallel_for(parts, 1, [&](int64_t first, int64_t last) {
    Tensor buffer;
    for (int64_t part = first; part < last; ++part)
      for (int64_t tile = part * tiling.count() / parts; tile < (part + 1) * tiling.count() / parts; ++tile) {
        const int64_t rows = tiling.end(tile) - tiling.begin(tile);
        const T* from = grad + (tiling.image(tile) * tiling.pixels + tiling.begin(tile)) * s.O;
        for (int64_t g = 0; g < s.groups; ++g) {
          const T* cols = patches(s, tiling, tile, g, buffer, x);
          kernels::gemm<T>(true, false, s.group_out(), s.patch(), rows, T(1), from + g * s.group_out(), s.O, cols,
                           s.patch(), T(1), partial + part * size + g * s.group_out() * s.patch(), s.patch());
        }
      }
  });
  std::copy_n(partial, size, dw);
  kernels::table<T>().sum_rows(parts - 1, size, dw, partial + size, size);
}

// Calls image(n) for every image, on all threads.
template <class F>
void for_each_image(const ConvShape& s, F image) {
  parallel_for(s.N, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) image(n);
  });
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  check_same_dtype(op, a, b);
  check(is_floating(a.dtype()), op, "needs f32 or f64, got ", a.dtype());
}

}  // namespace

void set_conv_algorithm(ConvAlgorithm wanted) { algorithm.store(wanted, std::memory_order_relaxed); }
ConvAlgorithm conv_algorithm() { return algorithm.load(std::memory_order_relaxed); }

Shape conv2d_shape(const Shape& x, const Shape& w, const Conv2dOptions& options) {
  return output_shape(make_shape("conv2d", x, w, options));
}

Tensor conv2d(const Tensor& x_any, const Tensor& w_any, const Tensor& bias_any, const Conv2dOptions& options) {
  const ConvShape s = make_shape("conv2d", x_any.shape(), w_any.shape(), options);
  check_operands("conv2d", x_any, w_any);
  if (bias_any.defined()) {
    check_operands("conv2d", x_any, bias_any);
    check(bias_any.shape() == Shape{s.O}, "conv2d", "bias must be [", s.O, "], got ", bias_any.shape(), ": weight ",
          w_any.shape());
  }
  const Tensor x = x_any.contiguous(), w = w_any.contiguous(),
               bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
  Tensor y = Tensor::empty(output_shape(s), x.dtype());
  visit_floating("conv2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    if (!use_naive()) {
      im2col_conv2d<T>(s, y.data<T>(), x.data<T>(), w.data<T>(), bias.defined() ? bias.data<T>() : nullptr);
      return;
    }
    y.copy_(bias.defined() ? bias : Tensor::scalar(0, x.dtype()));
    for_each_image(s, [&](int64_t n) { kernels::naive_conv2d(s, n, y.data<T>(), x.data<T>(), w.data<T>()); });
  });
  return y;
}

Tensor conv2d_input_grad(const Tensor& grad_any, const Tensor& w_any, const Shape& x_shape,
                         const Conv2dOptions& options) {
  const ConvShape s = make_shape("conv2d_input_grad", x_shape, w_any.shape(), options);
  check_operands("conv2d_input_grad", grad_any, w_any);
  check(grad_any.shape() == output_shape(s), "conv2d_input_grad", "gradient must be ", output_shape(s), ", got ",
        grad_any.shape());
  const Tensor grad = grad_any.contiguous(), w = w_any.contiguous();
  Tensor dx =
      s.is_pointwise() && !use_naive() ? Tensor::empty(x_shape, grad.dtype()) : Tensor::zeros(x_shape, grad.dtype());
  visit_floating("conv2d_input_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    if (use_naive())
      for_each_image(
          s, [&](int64_t n) { kernels::naive_conv2d_input_grad(s, n, dx.data<T>(), grad.data<T>(), w.data<T>()); });
    else
      im2col_input_grad<T>(s, dx.data<T>(), grad.data<T>(), w.data<T>());
  });
  return dx;
}

Tensor conv2d_weight_grad(const Tensor& grad_any, const Tensor& x_any, const Shape& w_shape,
                          const Conv2dOptions& options) {
  const ConvShape s = make_shape("conv2d_weight_grad", x_any.shape(), w_shape, options);
  check_operands("conv2d_weight_grad", grad_any, x_any);
  check(grad_any.shape() == output_shape(s), "conv2d_weight_grad", "gradient must be ", output_shape(s), ", got ",
        grad_any.shape());
  const Tensor grad = grad_any.contiguous(), x = x_any.contiguous();
  if (s.N == 0 || use_naive()) {
    Tensor dw = Tensor::zeros(w_shape, grad.dtype());
    visit_floating("conv2d_weight_grad", grad.dtype(), [&](auto t) {
      using T = decltype(t);
      for (int64_t n = 0; n < s.N; ++n)
        kernels::naive_conv2d_weight_grad(s, n, dw.data<T>(), grad.data<T>(), x.data<T>());
    });
    return dw;
  }
  Tensor dw = Tensor::empty(w_shape, grad.dtype());
  visit_floating("conv2d_weight_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    im2col_weight_grad<T>(s, dw.data<T>(), grad.data<T>(), x.data<T>());
  });
  return dw;
}

}  // namespace kindling
