#include <kindling/tensor/conv.h>

#include <algorithm>
#include <atomic>

#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/rows.h>

namespace kindling {
namespace {

using detail::row_stride;
using detail::with_rows;
using kernels::ConvShape;

std::atomic<ConvAlgorithm> algorithm{ConvAlgorithm::automatic};

Shape output_shape(const ConvShape& s) { return {s.N, s.OH, s.OW, s.O}; }

// Calls image(n) for every image, on all threads.
template <class F>
void for_each_image(const ConvShape& s, F image) {
  parallel_for(s.N, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) image(n);
  });
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  check_same_dtype(op, a, b);
  check_floating(op, a.dtype());
}

}  // namespace

namespace detail {

ConvShape conv_shape(const char* op, const Shape& x, const Shape& w, const Conv2dOptions& o) {
  check(x.rank() == 4, op, "input must be [N, H, W, C], got ", x);
  check(w.rank() == 4, op, "weight must be [O, KH, KW, I], got ", w);
  check(x[3] >= 1 && w[0] >= 1 && w[1] >= 1 && w[2] >= 1, op, "channels and kernel must be at least 1: input ", x,
        ", weight ", w);
  check(o.groups >= 1 && x[3] % o.groups == 0 && w[0] % o.groups == 0, op, "groups ", o.groups,
        " does not divide channels: input ", x, ", weight ", w);
  const int64_t channels = w[3] * o.groups;
  check(x[3] == channels, op, "input has ", x[3], " channels, weight expects ", channels, ": input ", x, ", weight ", w,
        x[1] == channels ? "; images are [N, H, W, C] here, and this one looks like [N, C, H, W]" : "");
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
  return {.N = x[0],
          .H = x[1],
          .W = x[2],
          .C = x[3],
          .O = w[0],
          .KH = w[1],
          .KW = w[2],
          .OH = OH,
          .OW = OW,
          .stride_h = o.stride.h,
          .stride_w = o.stride.w,
          .pad_h = o.padding.h,
          .pad_w = o.padding.w,
          .dilation_h = o.dilation.h,
          .dilation_w = o.dilation.w,
          .groups = o.groups};
}

void check_conv_operands(const char* op, const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias) {
  check_operands(op, x, w);
  if (!bias.defined()) return;
  check_operands(op, x, bias);
  check(bias.shape() == Shape{s.O}, op, "bias must be [", s.O, "], got ", bias.shape(), ": weight ", w.shape());
}

bool convolves_on_image() {
  return conv_algorithm() == ConvAlgorithm::automatic || conv_algorithm() == ConvAlgorithm::direct;
}

}  // namespace detail

void set_conv_algorithm(ConvAlgorithm wanted) { algorithm.store(wanted, std::memory_order_relaxed); }
ConvAlgorithm conv_algorithm() { return algorithm.load(std::memory_order_relaxed); }

ConvMethods conv2d_methods(const Shape& x, const Shape& w, const Conv2dOptions& options) {
  const ConvShape s = detail::conv_shape("conv2d", x, w, options);
  if (conv_algorithm() == ConvAlgorithm::naive) return {"naive", "naive", "naive"};
  if (conv_algorithm() == ConvAlgorithm::im2col) return {"im2col", "im2col", "im2col"};
  const auto name = [](std::optional<kernels::WinogradScheme> scheme) {
    if (!scheme) return std::string("direct");
    const std::string tile = std::to_string(kernels::table<float>().winograd[static_cast<int>(*scheme)].tile);
    return "winograd " + tile + "x" + tile;
  };
  const std::string by_shape = name(detail::winograd_scheme(s));
  return {by_shape, detail::has_direct_input_grad(s) ? name(detail::input_grad_scheme(s)) : "im2col", by_shape};
}

Shape conv2d_shape(const Shape& x, const Shape& w, const Conv2dOptions& options) {
  return output_shape(detail::conv_shape("conv2d", x, w, options));
}

namespace {

Tensor convolve(const Tensor& x_any, const Tensor& w_any, const Tensor& bias_any, const Conv2dOptions& options,
                bool with_relu, const Out& out) {
  const ConvShape s = detail::conv_shape("conv2d", x_any.shape(), w_any.shape(), options);
  detail::check_conv_operands("conv2d", s, x_any, w_any, bias_any);
  detail::check_out("conv2d", out, output_shape(s), x_any.dtype(), detail::Layout::rows);
  const Tensor x = x_any.contiguous(), bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
  const detail::ContiguousWeight w(w_any);
  const bool direct = detail::convolves_on_image();
  Tensor y = detail::target(direct && !out.adds() ? out : Out(), output_shape(s), x.dtype());
  visit_floating("conv2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.data<T>();
    const T* bias_data = bias.defined() ? bias.data<T>() : nullptr;
    if (direct) return detail::direct_conv2d<T>(s, {to, row_stride(y)}, x.data<T>(), *w, bias_data, with_relu);
    if (conv_algorithm() == ConvAlgorithm::im2col)
      return detail::im2col_conv2d<T>(s, to, x.data<T>(), (*w).data<T>(), bias_data);
    y.copy_(bias.defined() ? bias : Tensor::scalar(0, x.dtype()));
    for_each_image(s, [&](int64_t n) { kernels::naive_conv2d(s, n, to, x.data<T>(), (*w).data<T>()); });
  });
  return detail::deliver("conv2d", out, with_relu && !direct ? relu(y) : y);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dOptions& options, const Out& out) {
  return convolve(x, w, bias, options, /*with_relu=*/false, out);
}

Tensor conv2d_relu(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dOptions& options, const Out& out) {
  return convolve(x, w, bias, options, /*with_relu=*/true, out);
}

namespace {

// The rows of a gradient [N, ..., C], which may be half of a concatenation's, or that of an average over each image:
// the same row for all of its pixels, which is not copied.
struct RowsOfImages {
  explicit RowsOfImages(const Tensor& x) {
    const bool average = x.rank() > 2 && x.strides()[x.rank() - 1] == 1 &&
                         std::all_of(x.strides().begin() + 1, x.strides().end() - 1, [](int64_t s) { return s == 0; });
    rows = average ? x : with_rows(x);
    ld = average ? 0 : row_stride(rows);
    pixels = average ? x.numel() / x.size(0) / x.size(-1) : x.numel() / x.size(-1);
    image = average ? x.strides()[0] : 0;
  }
  // Calls f(first row, rows, where they are) for the rows [first, first + n), whose next ones lie `ld` apart.
  template <class T, class F>
  void for_each_run(int64_t first, int64_t n, F f) const {
    for (int64_t row = first; row < first + n;) {
      const int64_t i = row / pixels, count = std::min((i + 1) * pixels, first + n) - row;
      f(row, count, rows.data<T>() + i * image + (row - i * pixels) * ld);
      row += count;
    }
  }

  Tensor rows;
  int64_t ld, pixels, image;
};

}  // namespace

ReluBiasGrad relu_bias_grad(const Tensor& grad_any, const Tensor& y_any, const Out& out) {
  check_operands("relu_bias_grad", grad_any, y_any);
  check(y_any.rank() > 0 && grad_any.shape() == y_any.shape(), "relu_bias_grad", "gradient ", grad_any.shape(),
        " and output ", y_any.shape(), " differ");
  const int64_t C = y_any.size(-1);
  detail::check_out("relu_bias_grad", out, y_any.shape(), y_any.dtype(), detail::Layout::rows);
  Tensor g = detail::target(out.add ? Out() : out, y_any.shape(), y_any.dtype());
  if (y_any.numel() == 0) return {detail::deliver("relu_bias_grad", out, g), Tensor::zeros({C}, y_any.dtype())};
  const detail::RowBlocks rows("relu_bias_grad", y_any);
  const Tensor y = with_rows(y_any);  // may be half of a concatenation
  const RowsOfImages grad(grad_any);
  const int64_t ld_g = row_stride(g), ld_y = row_stride(y);
  Tensor partial = Tensor::zeros({rows.blocks(), C}, DType::f64);
  visit_floating("relu_bias_grad", y.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = g.data<T>();
    rows.for_each_block([&](int64_t first, int64_t n, int64_t block) {
      grad.for_each_run<T>(first, n, [&](int64_t row, int64_t count, const T* from) {
        kernels::table<T>().relu_bias_grad(count, C, to + row * ld_g, ld_g, partial.data<double>() + block * C, from,
                                           grad.ld, y.data<T>() + row * ld_y, ld_y);
      });
    });
  });
  return {detail::deliver("relu_bias_grad", out, g), sum(partial, {0}).to(y.dtype())};
}

namespace {

// The shape of a convolution by the operands of one of its gradients: that of its result, and the input or the weights.
ConvShape grad_shape(const char* op, const Tensor& grad, const Tensor& other, const Shape& x, const Shape& w,
                     const Conv2dOptions& options) {
  const ConvShape s = detail::conv_shape(op, x, w, options);
  check_operands(op, grad, other);
  check(grad.shape() == output_shape(s), op, "gradient must be ", output_shape(s), ", got ", grad.shape());
  return s;
}

// The gradients by im2col or by the definition.
Tensor reference_input_grad(const ConvShape& s, const Tensor& grad_any, const Tensor& w_any, const Shape& x_shape) {
  const Tensor grad = grad_any.contiguous(), w = w_any.contiguous();
  const bool naive = conv_algorithm() == ConvAlgorithm::naive, adds = naive || !s.is_pointwise();
  Tensor dx = adds ? Tensor::zeros(x_shape, grad.dtype()) : Tensor::empty(x_shape, grad.dtype());
  visit_floating("conv2d_input_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dx.data<T>();
    if (!naive) return detail::im2col_input_grad<T>(s, to, grad.data<T>(), w.data<T>());
    for_each_image(s, [&](int64_t n) { kernels::naive_conv2d_input_grad(s, n, to, grad.data<T>(), w.data<T>()); });
  });
  return dx;
}

Tensor reference_weight_grad(const ConvShape& s, const Tensor& grad_any, const Tensor& x_any, const Shape& w_shape) {
  const Tensor grad = grad_any.contiguous(), x = x_any.contiguous();
  const bool naive = conv_algorithm() == ConvAlgorithm::naive;
  Tensor dw = naive ? Tensor::zeros(w_shape, grad.dtype()) : Tensor::empty(w_shape, grad.dtype());
  visit_floating("conv2d_weight_grad", grad.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = dw.data<T>();
    if (!naive) return detail::im2col_weight_grad<T>(s, to, grad.data<T>(), x.data<T>());
    for (int64_t n = 0; n < s.N; ++n) kernels::naive_conv2d_weight_grad(s, n, to, grad.data<T>(), x.data<T>());
  });
  return dw;
}

}  // namespace

Tensor conv2d_input_grad(const Tensor& grad_any, const Tensor& w_any, const Shape& x_shape,
                         const Conv2dOptions& options, const Out& out) {
  const char* const op = "conv2d_input_grad";
  const ConvShape s = grad_shape(op, grad_any, w_any, x_shape, w_any.shape(), options);
  detail::check_out(op, out, x_shape, grad_any.dtype(), detail::Layout::contiguous);
  if (!detail::convolves_on_image() || !detail::has_direct_input_grad(s))
    return detail::deliver(op, out, reference_input_grad(s, grad_any, w_any, x_shape));
  const Tensor grad = with_rows(grad_any);
  const detail::ContiguousWeight w(w_any);
  Tensor dx = detail::target(out, x_shape, grad.dtype());
  visit_floating(op, grad.dtype(), [&](auto t) {
    using T = decltype(t);
    detail::direct_input_grad<T>(s, dx.data<T>(), out.adds(), {grad.data<T>(), row_stride(grad)}, *w);
  });
  return detail::deliver(op, out, dx);
}

Tensor conv2d_weight_grad(const Tensor& grad_any, const Tensor& x_any, const Shape& w_shape,
                          const Conv2dOptions& options, const Out& out) {
  const char* const op = "conv2d_weight_grad";
  const ConvShape s = grad_shape(op, grad_any, x_any, x_any.shape(), w_shape, options);
  detail::check_out(op, out, w_shape, grad_any.dtype(), detail::Layout::contiguous);
  if (s.N == 0) return detail::deliver(op, out, Tensor::zeros(w_shape, grad_any.dtype()));
  if (!detail::convolves_on_image())
    return detail::deliver(op, out, reference_weight_grad(s, grad_any, x_any, w_shape));
  const Tensor grad = with_rows(grad_any), x = x_any.contiguous();
  Tensor dw = detail::target(out, w_shape, grad.dtype());
  visit_floating(op, grad.dtype(), [&](auto t) {
    using T = decltype(t);
    detail::direct_weight_grad<T>(s, dw.data<T>(), out.adds(), {grad.data<T>(), row_stride(grad)}, x.data<T>());
  });
  return detail::deliver(op, out, dw);
}

}  // namespace kindling
