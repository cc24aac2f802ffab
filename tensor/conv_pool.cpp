#include <kindling/tensor/conv_pool.h>

#include <optional>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/pool_bands.h>

namespace kindling {
namespace {

using detail::PoolGeometry;
using kernels::ConvShape;

// Not for Winograd: it wants many images at once, and its scheme depends on the map's size, so bands
// would change bits. Nor for the reference algorithms, which want the whole map.
bool by_bands(const ConvShape& s) { return detail::convolves_on_image() && !detail::may_use_winograd(s); }

// Rows [begin, end) of one image's result as a convolution of its own, of a part of the image's rows.
struct BandShape {
  BandShape(const ConvShape& whole, int64_t begin, int64_t end) : shape(whole) {
    const int64_t first = begin * whole.stride_h - whole.pad_h;
    const int64_t last = (end - 1) * whole.stride_h - whole.pad_h + (whole.KH - 1) * whole.dilation_h;
    first_row = std::clamp<int64_t>(first, 0, whole.H);
    shape.N = 1;
    shape.H = std::clamp<int64_t>(last + 1, first_row, whole.H) - first_row;
    shape.OH = end - begin;
    shape.pad_h = first_row - first;
  }
  ConvShape shape;
  int64_t first_row;
};

}  // namespace

MaxPool2dResult conv2d_max_pool2d(const Tensor& x_any, const Tensor& w_any, const Tensor& bias_any,
                                  const ConvPoolOptions& options) {
  const ConvShape s = detail::conv_shape("conv2d", x_any.shape(), w_any.shape(), options.conv);
  if (!by_bands(s)) {
    const Tensor map =
        options.relu ? conv2d_relu(x_any, w_any, bias_any, options.conv) : conv2d(x_any, w_any, bias_any, options.conv);
    return max_pool2d(map, options.pool);
  }
  detail::check_conv_operands("conv2d", s, x_any, w_any, bias_any);
  const PoolGeometry g("max_pool2d", {s.N, s.OH, s.OW, s.O}, options.pool);
  detail::check_max_pool("max_pool2d", g);
  const Tensor x = x_any.contiguous(), bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
  const detail::ContiguousWeight w(w_any);
  MaxPool2dResult result{Tensor::empty(g.y, x.dtype()), Tensor::empty(g.y, DType::u8)};
  visit_floating("conv2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    const auto convolve = [&](int64_t n, int64_t first, int64_t last, T* to) {
      const BandShape band(s, first, last);
      detail::direct_conv2d<T>(band.shape, {to, s.O}, x.data<T>() + (n * s.H + band.first_row) * s.W * s.C, *w,
                               bias.defined() ? bias.data<T>() : nullptr, options.relu);
    };
    detail::max_pool_by_bands<T>(g, result.values.data<T>(), result.argmax.data<uint8_t>(), convolve);
  });
  return result;
}

Tensor conv2d_max_pool2d_weight_grad(const Tensor& grad_any, const Tensor& argmax_any, const Tensor& x_any,
                                     const Shape& w_shape, const ConvPoolOptions& options, const Out& out) {
  const char* const op = "conv2d_weight_grad";
  const ConvShape s = detail::conv_shape(op, x_any.shape(), w_shape, options.conv);
  detail::check_out(op, out, w_shape, grad_any.dtype(), detail::Layout::contiguous);
  const Shape map{s.N, s.OH, s.OW, s.O};
  const PoolGeometry g("max_unpool2d", map, options.pool);
  if (!by_bands(s) || !detail::has_pooled_weight_grad(s, g))
    return conv2d_weight_grad(max_unpool2d(grad_any, argmax_any, map, options.pool), x_any, w_shape, options.conv, out);
  detail::check_unpool("max_unpool2d", grad_any, argmax_any, g);
  check_same_dtype(op, grad_any, x_any);
  if (s.N == 0) return detail::deliver(op, out, Tensor::zeros(w_shape, grad_any.dtype()));
  const Tensor grad = grad_any.contiguous(), argmax = argmax_any.contiguous(), x = x_any.contiguous();
  Tensor dw = detail::target(out, w_shape, x.dtype());
  visit_floating(op, x.dtype(), [&](auto t) {
    using T = decltype(t);
    detail::pooled_weight_grad<T>(s, g, dw.data<T>(), out.adds(), grad.data<T>(), argmax.data<uint8_t>(), x.data<T>());
  });
  return detail::deliver(op, out, dw);
}

}  // namespace kindling
