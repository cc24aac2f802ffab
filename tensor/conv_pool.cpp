#include <kindling/tensor/conv_pool.h>

#include <optional>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/pool_geometry.h>

namespace kindling {
namespace {

using detail::PoolGeometry;
using kernels::ConvShape;

// Of the map between, a share of L2.
constexpr int64_t kMapBytes = 256 << 10;

// Not for Winograd: it wants many images at once, and its scheme depends on the map's size, so bands
// would change bits. Nor for the reference algorithms, which want the whole map.
bool by_bands(const ConvShape& s) { return detail::convolves_on_image() && !detail::may_use_winograd(s); }

int64_t band_rows(const ConvShape& s, int64_t element_bytes) {
  return std::max<int64_t>(kMapBytes / (s.OW * s.O * element_bytes), 1);
}

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

template <class T>
void convolve_and_pool(const ConvShape& s, const PoolGeometry& g, T* values, uint8_t* argmax, const T* x,
                       const Tensor& w, const T* bias, bool relu) {
  const int64_t row = s.OW * s.O, image = s.H * s.W * s.C;
  const int64_t cuts = pieces_of_task(s.N, g.y[1]);
  const int64_t most = std::max(band_rows(s, sizeof(T)), g.o.kernel.h);
  // The rows of the map that window i sees.
  const auto seen_from = [&](int64_t i) { return std::max<int64_t>(i * g.o.stride.h - g.o.padding.h, 0); };
  const auto seen_to = [&](int64_t i) { return std::min(i * g.o.stride.h - g.o.padding.h + g.o.kernel.h, s.OH); };
  parallel_for(s.N * cuts, 1, [&](int64_t task, int64_t) {
    const int64_t n = task / cuts;
    const Range windows = part_of(g.y[1], task % cuts, cuts);
    Tensor buffer = Tensor::empty({std::min(most, s.OH), row}, dtype_of<T>());
    T* const rows = buffer.data<T>();
    int64_t begin = 0, end = 0;  // of the rows in it
    for (int64_t i = windows.begin; i < windows.end;) {
      const int64_t from = seen_from(i);
      int64_t next = i + 1;
      while (next < windows.end && seen_to(next) - from <= most) ++next;
      const int64_t to = seen_to(next - 1), kept = std::max<int64_t>(end - from, 0);  // shared with the windows before
      if (kept > 0) std::copy_n(rows + (from - begin) * row, kept * row, rows);
      if (from + kept < to) {
        const BandShape band(s, from + kept, to);
        detail::direct_conv2d<T>(band.shape, {rows + kept * row, s.O}, x + n * image + band.first_row * s.W * s.C, w,
                                 bias, relu);
      }
      begin = from;
      end = std::max(to, from + kept);
      for (; i < next; ++i) detail::max_pool_row<T>(g, n, i, values, argmax, rows, begin);
    }
  });
}

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
  const Tensor x = x_any.contiguous(), w = w_any.contiguous();
  const Tensor bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
  std::optional<ConstantWeights> constant;  // one packing for all bands
  if (!ConstantWeights::in_force()) constant.emplace();
  MaxPool2dResult result{Tensor::empty(g.y, x.dtype()), Tensor::empty(g.y, DType::u8)};
  visit_floating("conv2d", x.dtype(), [&](auto t) {
    using T = decltype(t);
    convolve_and_pool<T>(s, g, result.values.data<T>(), result.argmax.data<uint8_t>(), x.data<T>(), w,
                         bias.defined() ? bias.data<T>() : nullptr, options.relu);
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
