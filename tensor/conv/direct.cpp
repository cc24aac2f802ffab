// Convolution on the image itself: rows of a tile are pixels, wherever they lie, and columns are output channels, whose
// weights are packed. The gradient of the input of a stride-1 convolution is such a convolution too.
#include <algorithm>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/conv/window.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/panels.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Bytes of input that one task walks over again for every panel of weights: a share of L2 (1 MiB on the machines
// measured).
constexpr int64_t kBandBytes = 256 << 10;

// Output rows cut into bands. A pointwise convolution is one image of one row whose pixels are cut instead.
struct Bands {
  Bands(const ConvShape& s, int64_t element_bytes) : pointwise(s.is_pointwise()) {
    images = pointwise ? 1 : s.N;
    length = pointwise ? s.N * s.OH * s.OW : s.OH;
    if (images == 0) return;
    const int64_t bytes = pointwise ? s.C * element_bytes : s.stride_h * (s.W + 2 * s.pad_w) * s.C * element_bytes;
    const int64_t wanted = std::max(ceil_div(length * bytes, kBandBytes), pieces_of_task(images, length));
    per_image = std::min(images == 1 ? tasks_for_all(wanted) : wanted, length);
  }
  int64_t count() const { return images * per_image; }
  Range rows(int64_t band) const { return part_of(length, band % per_image, per_image); }

  bool pointwise;
  int64_t images, length, per_image = 1;
};

// A band as the micro-kernels see it: `rows` x `pixels` output pixels, whose windows start `row_stride` and
// `pixel_stride` elements apart in `window`, the input with its padding.
template <class T>
struct Band {
  const T* window;
  int64_t row_stride, pixel_stride, input_pixel, input_row;
  int64_t rows, pixels, first_pixel;
};

// Where windows leave the image, the band's input rows are copied with their zeros into `buffer`. This copies C numbers
// for each pixel, and 9 C O multiply-adds of a 3x3 kernel follow. So it costs little and keeps every edge case out of
// the inner loops.
template <class T>
Band<T> make_band(const ConvShape& s, const Bands& bands, int64_t index, Pixels<const T> x, Tensor& buffer) {
  const auto [begin, end] = bands.rows(index);
  const int64_t ld = x.ld;
  if (bands.pointwise) return {x.data + begin * ld, 0, ld, ld, 0, 1, end - begin, begin};
  const int64_t image = index / bands.per_image, first_pixel = (image * s.OH + begin) * s.OW;
  const T* pixels = x.data + image * s.H * s.W * ld;
  if (s.pad_h == 0 && s.pad_w == 0 && (s.OH - 1) * s.stride_h + (s.KH - 1) * s.dilation_h < s.H) {
    const int64_t row = s.W * ld;
    return {
        pixels + begin * s.stride_h * row, s.stride_h * row, s.stride_w * ld, ld, row, end - begin, s.OW, first_pixel};
  }
  const int64_t rows = (end - begin - 1) * s.stride_h + (s.KH - 1) * s.dilation_h + 1, row = (s.W + 2 * s.pad_w) * s.C;
  if (!buffer.defined() || buffer.numel() < rows * row) buffer = Tensor::empty({rows * row}, dtype_of<T>());
  T* to = buffer.data<T>();
  for (int64_t r = 0; r < rows; ++r, to += row)
    padded_row(s, x, image, begin * s.stride_h + r - s.pad_h)
        .read({s.W + 2 * s.pad_w, s.C, -s.pad_w * ld, ld}, to, s.C);
  return {buffer.data<T>(), s.stride_h * row, s.stride_w * s.C, s.C, row, end - begin, s.OW, first_pixel};
}

// The taps of a window as segments of contiguous elements: whole rows
// of taps where they are neighbours in memory, else single taps.
struct Segments {
  Segments(const ConvShape& s, int64_t input_row, int64_t input_pixel) {
    const bool row_of_taps = s.dilation_w == 1 && s.groups == 1 && input_pixel == s.C;
    const int64_t per_row = row_of_taps ? 1 : s.KW;
    depth = row_of_taps ? s.KW * s.C : s.group_in();
    for (int64_t p = 0; p < s.KH; ++p)
      for (int64_t q = 0; q < per_row; ++q)
        offsets.push_back(p * s.dilation_h * input_row + q * s.dilation_w * input_pixel);
  }
  int64_t depth;
  std::vector<int64_t> offsets;
};

// Weights in the order in which product_tile reads them: [group][panel][tap and input channel][column].
// `matrix(group, tap)` has a row for each input channel and a column for each output channel.
template <class T, class OfGroupAndTap>
Tensor pack(const ConvShape& s, const Panels& panels, OfGroupAndTap matrix) {
  const int64_t taps = s.KH * s.KW, depth = s.group_in();
  Tensor packed = Tensor::empty({s.groups, panels.count, taps, depth, panels.columns}, dtype_of<T>());
  parallel_for(s.groups * panels.count, 1, [&](int64_t i, int64_t) {
    const int64_t group = i / panels.count, panel = i % panels.count;
    for (int64_t tap = 0; tap < taps; ++tap)
      pack_panel(panels, panel, matrix(group, tap).from(0, panel * panels.columns), depth,
                 packed.data<T>() + (i * taps + tap) * depth * panels.columns);
  });
  return packed;
}

// The bias of every panel, filled up with zeros like the weights: [group][panel][column].
template <class T>
Tensor pack_bias(const ConvShape& s, const Panels& panels, const T* bias) {
  Tensor packed = Tensor::zeros({s.groups, panels.count, panels.columns}, dtype_of<T>());
  for (int64_t g = 0; g < s.groups; ++g)
    std::copy_n(bias + g * s.group_out(), s.group_out(), packed.data<T>() + g * panels.count * panels.columns);
  return packed;
}

// y = [y +] x * packed weights [+ bias, ReLU]: for every band, group and panel, tile after tile along the rows.
template <class T>
void multiply_bands(const ConvShape& s, const Panels& panels, Pixels<T> y, bool add, Pixels<const T> x,
                    const Tensor& weights, const Tensor& bias, bool relu) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Bands bands(s, sizeof(T));
  const int64_t panel_size = s.patch() * panels.columns;
  parallel_for(bands.count(), 1, [&](int64_t first, int64_t last) {
    Tensor buffer;
    for (int64_t index = first; index < last; ++index) {
      const Band<T> band = make_band(s, bands, index, x, buffer);
      const Segments segments(s, band.input_row, band.input_pixel);
      for (int64_t i = 0; i < s.groups * panels.count; ++i) {
        const int64_t group = i / panels.count, panel = i % panels.count;
        const int64_t channel = group * s.group_out() + panel * panels.columns;
        kernels::ProductTile<T> tile{.a = nullptr,  // set below, as c is
                                     .lda = band.pixel_stride,
                                     .segments = segments.offsets.data(),
                                     .segment_count = static_cast<int64_t>(segments.offsets.size()),
                                     .depth = segments.depth,
                                     .b = weights.data<T>() + i * panel_size,
                                     .bias = bias.defined() ? bias.data<T>() + i * panels.columns : nullptr,
                                     .c = nullptr,
                                     .ldc = y.ld,
                                     .columns = panels.used_columns(panel),
                                     .relu = relu,
                                     .add = add};
        // The next panel's weights are far away where there are many; they are fetched meanwhile.
        FetchAhead<T> next(tile.b + panel_size, i + 1 < s.groups * panels.count ? panel_size : 0);
        for (int64_t row = 0; row < band.rows; ++row)
          for_each_piece(band.pixels, panels.max_rows, [&](int64_t begin, int64_t size) {
            tile.a = band.window + row * band.row_stride + begin * band.pixel_stride + group * s.group_in();
            tile.c = y.data + (band.first_pixel + row * band.pixels + begin) * y.ld + channel;
            if (bands.pointwise && i == 0)
              fetch_rows(tile.a + size * band.pixel_stride, size, band.pixel_stride, segments.depth);
            if (add)
              fetch_rows(tile.c, size, y.ld, tile.columns);  // far away; it is fetched while the tile is summed up
            tile.fetch = next.take(s.patch() * kernel.lanes);
            kernel.product_tile(static_cast<int>(size), panels.vectors, tile);
          });
      }
    }
  });
}

}  // namespace

template <class T>
void direct_conv2d(const ConvShape& s, Pixels<T> y, const T* x, const Tensor& weight, const T* bias, bool relu) {
  if (const auto scheme = winograd_scheme(s))
    return winograd_conv2d<T>(*scheme, s, y, /*add=*/false, {x, s.C}, weight, /*turned=*/false, bias, relu);
  const Panels panels(kernels::table<T>(), s.group_out());
  const Tensor packed = ConstantWeights::packed(weight, {WeightPacking::Product::output, s.groups}, [&] {
    const T* w = weight.data<T>();
    return pack<T>(s, panels, [&](int64_t group, int64_t tap) -> Matrix<T> {
      return {w + group * s.group_out() * s.patch() + tap * s.group_in(), s.patch(), /*transposed=*/true};
    });
  });
  multiply_bands<T>(s, panels, y, /*add=*/false, {x, s.C}, packed,
                    bias != nullptr ? pack_bias(s, panels, bias) : Tensor(), relu);
}

namespace {

// The gradient of a stride-1 convolution is a stride-1 convolution of `grad` with the kernel turned by half a turn and
// its two channel axes exchanged, padded by what is left of the kernel's reach.
ConvShape turned_shape(const ConvShape& s) {
  ConvShape turned = s;
  std::swap(turned.C, turned.O);
  std::swap(turned.H, turned.OH);
  std::swap(turned.W, turned.OW);
  turned.pad_h = s.dilation_h * (s.KH - 1) - s.pad_h;
  turned.pad_w = s.dilation_w * (s.KW - 1) - s.pad_w;
  return turned;
}

// Without padding the gradient's map is smaller than the image, and most products of the turned convolution are with
// the zeros around it: 5x5 on 12x12 pixels (LeNet's conv2) takes 144 windows for 64 pixels.
bool has_turned_convolution(const ConvShape& s) {
  constexpr double kWaste = 1.5;  // LeNet's conv2 has 2.25; with padding it is 1. Not tuned between them.
  return s.stride_h == 1 && s.stride_w == 1 && s.pad_h <= s.dilation_h * (s.KH - 1) &&
         s.pad_w <= s.dilation_w * (s.KW - 1) &&
         static_cast<double>(s.H * s.W) <= kWaste * static_cast<double>(s.OH * s.OW);
}

}  // namespace

bool has_direct_input_grad(const ConvShape& s) { return has_turned_convolution(s) || winograd_scheme(s); }

std::optional<kernels::WinogradScheme> input_grad_scheme(const ConvShape& s) {
  return winograd_scheme(has_turned_convolution(s) ? turned_shape(s) : s);
}

template <class T>
void direct_input_grad(const ConvShape& s, T* dx, bool add, Pixels<const T> grad, const Tensor& weight) {
  const auto scheme = input_grad_scheme(s);
  if (!has_turned_convolution(s)) return winograd_input_grad<T>(*scheme, s, dx, add, grad, weight);
  const ConvShape turned = turned_shape(s);
  if (scheme)
    return winograd_conv2d<T>(*scheme, turned, {dx, turned.O}, add, grad, weight, /*turned=*/true, nullptr,
                              /*relu=*/false);
  const Panels panels(kernels::table<T>(), turned.group_out());
  const Tensor packed = ConstantWeights::packed(weight, {WeightPacking::Product::turned, s.groups}, [&] {
    const T* w = weight.data<T>();
    const int64_t last_tap = s.KH * s.KW - 1;
    return pack<T>(turned, panels, [&](int64_t group, int64_t tap) -> Matrix<T> {
      return {w + group * s.group_out() * s.patch() + (last_tap - tap) * s.group_in(), s.patch()};
    });
  });
  multiply_bands<T>(turned, panels, {dx, turned.O}, add, grad, packed, Tensor(), /*relu=*/false);
}

template void direct_conv2d(const ConvShape&, Pixels<float>, const float*, const Tensor&, const float*, bool);
template void direct_conv2d(const ConvShape&, Pixels<double>, const double*, const Tensor&, const double*, bool);
template void direct_input_grad(const ConvShape&, float*, bool, Pixels<const float>, const Tensor&);
template void direct_input_grad(const ConvShape&, double*, bool, Pixels<const double>, const Tensor&);

}  // namespace kindling::detail
