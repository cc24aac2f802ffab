#include <algorithm>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv_paths.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Bytes of input that one task walks over again for every panel
// of weights: a share of L2 (1 MiB on the machines measured).
constexpr int64_t kBandBytes = 256 << 10;
// A convolution is cut into at least this many tasks if it has
// enough rows, so that one image also keeps several cores busy.
constexpr int64_t kMinTasks = 8;
// Pixels that one call of outer_tile sums over: enough to pay
// for loading and storing the tile, few enough to stay in L1.
constexpr int64_t kOuterPixels = 64;
// Weight gradients are summed in parts of at least this many pixels; each part costs one more pass over the gradient.
constexpr int64_t kPartPixels = 2048, kMaxParts = 8;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How N output channels are cut into panels of `vectors` vectors.
struct Panels {
  template <class T>
  Panels(const kernels::Table<T>& kernel, int64_t channels) : channels(channels) {
    // Tiles with more columns do more multiply-adds a load (measured shares of peak), but may leave more columns of the
    // last panel unused.
    constexpr double kEfficiency[kernels::kMaxTileVectors + 1] = {0, 0.80, 0.95, 1.0, 1.0};
    const int64_t needed = ceil_div(channels, kernel.lanes);
    double best = 0;
    for (int v = kernels::kMaxTileVectors; v >= 1; --v) {
      const double used = static_cast<double>(needed) / static_cast<double>(ceil_div(needed, v) * v);
      if (kernel.tile_rows[v] == 0 || used * kEfficiency[v] <= best) continue;
      best = used * kEfficiency[v];
      vectors = v;
    }
    columns = vectors * kernel.lanes;
    max_rows = kernel.tile_rows[vectors];
    count = ceil_div(channels, columns);
  }
  int64_t used_columns(int64_t panel) const { return std::min(columns, channels - panel * columns); }

  int64_t channels, columns, count;
  int vectors = 1, max_rows;
};

// Cuts [0, n) into nearly equal pieces of at most `largest` and calls f(begin, size).
template <class F>
void for_each_piece(int64_t n, int64_t largest, F f) {
  const int64_t pieces = ceil_div(n, largest);
  for (int64_t i = 0; i < pieces; ++i) f(i * n / pieces, (i + 1) * n / pieces - i * n / pieces);
}

// Output rows cut into bands. A pointwise convolution is one image of one row whose pixels are cut instead.
struct Bands {
  Bands(const ConvShape& s, int64_t element_bytes) : pointwise(s.is_pointwise()) {
    images = pointwise ? 1 : s.N;
    length = pointwise ? s.N * s.OH * s.OW : s.OH;
    const int64_t bytes = pointwise ? s.C * element_bytes : s.stride_h * (s.W + 2 * s.pad_w) * s.C * element_bytes;
    per_image = std::max(ceil_div(length * bytes, kBandBytes), ceil_div(kMinTasks, std::max<int64_t>(images, 1)));
    per_image = std::clamp<int64_t>(per_image, 1, std::max<int64_t>(length, 1));
  }
  int64_t count() const { return images * per_image; }
  int64_t begin(int64_t band) const { return band % per_image * length / per_image; }
  int64_t end(int64_t band) const { return (band % per_image + 1) * length / per_image; }

  bool pointwise;
  int64_t images, length, per_image;
};

// A band as the micro-kernels see it: `rows` x `pixels` output pixels, whose windows start `row_stride` and
// `pixel_stride` elements apart in `window`, the input with its padding.
template <class T>
struct Band {
  const T* window;
  int64_t row_stride, pixel_stride, input_row;
  int64_t rows, pixels, first_pixel;
};

// Where there is padding, the band's input rows are copied with their zeros into
// `buffer`; C channels are read for each of the 9 C O multiply-adds of a 3x3 kernel
// that follow, so this costs little and keeps every edge case out of the inner loops.
template <class T>
Band<T> make_band(const ConvShape& s, const Bands& bands, int64_t index, const T* x, Tensor& buffer) {
  const int64_t begin = bands.begin(index), end = bands.end(index);
  if (bands.pointwise) return {x + begin * s.C, 0, s.C, 0, 1, end - begin, begin};
  const int64_t image = index / bands.per_image, first_pixel = (image * s.OH + begin) * s.OW;
  const T* pixels = x + image * s.H * s.W * s.C;
  const int64_t step_w = s.stride_w * s.C;
  if (s.pad_h == 0 && s.pad_w == 0)
    return {pixels + begin * s.stride_h * s.W * s.C,
            s.stride_h * s.W * s.C,
            step_w,
            s.W * s.C,
            end - begin,
            s.OW,
            first_pixel};
  const int64_t rows = (end - begin - 1) * s.stride_h + (s.KH - 1) * s.dilation_h + 1, row = (s.W + 2 * s.pad_w) * s.C;
  if (!buffer.defined() || buffer.numel() < rows * row) buffer = Tensor::empty({rows * row}, dtype_of<T>());
  T* to = buffer.data<T>();
  for (int64_t r = 0; r < rows; ++r, to += row) {
    const int64_t h = begin * s.stride_h + r - s.pad_h;
    if (h < 0 || h >= s.H) {
      std::fill_n(to, row, T(0));
      continue;
    }
    std::fill_n(to, s.pad_w * s.C, T(0));
    std::copy_n(pixels + h * s.W * s.C, s.W * s.C, to + s.pad_w * s.C);
    std::fill_n(to + (s.pad_w + s.W) * s.C, s.pad_w * s.C, T(0));
  }
  return {buffer.data<T>(), s.stride_h * row, step_w, row, end - begin, s.OW, first_pixel};
}

// The taps of a window as segments of contiguous elements: whole rows
// of taps where they are neighbours in memory, else single taps.
struct Segments {
  Segments(const ConvShape& s, int64_t input_row) : row_of_taps(s.dilation_w == 1 && s.groups == 1) {
    const int64_t per_row = row_of_taps ? 1 : s.KW;
    depth = row_of_taps ? s.KW * s.C : s.group_in();
    for (int64_t p = 0; p < s.KH; ++p)
      for (int64_t q = 0; q < per_row; ++q) offsets.push_back(p * s.dilation_h * input_row + q * s.dilation_w * s.C);
  }
  bool row_of_taps;
  int64_t depth;
  std::vector<int64_t> offsets;
};

// Weights in the order in which product_tile reads them: [group][panel][tap and input channel][column], short panels
// filled up with zeros. `element(group, tap, k, column)` is the weight.
template <class T, class Element>
Tensor pack(const ConvShape& s, const Panels& panels, Element element) {
  const int64_t taps = s.KH * s.KW, depth = s.group_in();
  Tensor packed = Tensor::empty({s.groups, panels.count, taps * depth, panels.columns}, dtype_of<T>());
  T* to = packed.data<T>();
  parallel_for(s.groups * panels.count, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t group = i / panels.count, panel = i % panels.count, used = panels.used_columns(panel);
      T* row = to + i * taps * depth * panels.columns;
      for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t k = 0; k < depth; ++k, row += panels.columns) {
          for (int64_t j = 0; j < used; ++j) row[j] = element(group, tap, k, panel * panels.columns + j);
          std::fill_n(row + used, panels.columns - used, T(0));
        }
    }
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

// y = x * packed weights [+ bias, ReLU]: for every band, group and panel, tile after tile along the rows.
template <class T>
void multiply_bands(const ConvShape& s, const Panels& panels, T* y, const T* x, const Tensor& weights,
                    const Tensor& bias, bool relu) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Bands bands(s, sizeof(T));
  const int64_t panel_size = s.patch() * panels.columns;
  parallel_for(bands.count(), 1, [&](int64_t first, int64_t last) {
    Tensor buffer;
    for (int64_t index = first; index < last; ++index) {
      const Band<T> band = make_band(s, bands, index, x, buffer);
      const Segments segments(s, band.input_row);
      for (int64_t i = 0; i < s.groups * panels.count; ++i) {
        const int64_t group = i / panels.count, panel = i % panels.count;
        const int64_t channel = group * s.group_out() + panel * panels.columns;
        kernels::ProductTile<T> tile{nullptr,
                                     band.pixel_stride,
                                     segments.offsets.data(),
                                     static_cast<int64_t>(segments.offsets.size()),
                                     segments.depth,
                                     weights.data<T>() + i * panel_size,
                                     bias.defined() ? bias.data<T>() + i * panels.columns : nullptr,
                                     nullptr,
                                     s.O,
                                     panels.used_columns(panel),
                                     relu};
        for (int64_t row = 0; row < band.rows; ++row)
          for_each_piece(band.pixels, panels.max_rows, [&](int64_t begin, int64_t size) {
            tile.a = band.window + row * band.row_stride + begin * band.pixel_stride + group * s.group_in();
            tile.c = y + (band.first_pixel + row * band.pixels + begin) * s.O + channel;
            kernel.product_tile(static_cast<int>(size), panels.vectors, tile);
          });
      }
    }
  });
}

}  // namespace

template <class T>
void direct_conv2d(const ConvShape& s, T* y, const T* x, const Tensor& weight, const T* bias, bool relu) {
  const Panels panels(kernels::table<T>(), s.group_out());
  const Tensor packed = ConstantWeights::packed(weight, 2 * s.groups, [&] {
    const T* w = weight.data<T>();
    return pack<T>(s, panels, [&](int64_t group, int64_t tap, int64_t k, int64_t column) {
      return w[(group * s.group_out() + column) * s.patch() + tap * s.group_in() + k];
    });
  });
  multiply_bands<T>(s, panels, y, x, packed, bias != nullptr ? pack_bias(s, panels, bias) : Tensor(), relu);
}

bool has_direct_input_grad(const ConvShape& s) {
  return s.stride_h == 1 && s.stride_w == 1 && s.pad_h <= s.dilation_h * (s.KH - 1) &&
         s.pad_w <= s.dilation_w * (s.KW - 1);
}

// The gradient of a stride-1 convolution is a stride-1 convolution of `grad` with the kernel turned by half a turn and
// its two channel axes exchanged, padded by what is left of the kernel's reach.
template <class T>
void direct_input_grad(const ConvShape& s, T* dx, const T* grad, const Tensor& weight) {
  ConvShape turned = s;
  std::swap(turned.C, turned.O);
  std::swap(turned.H, turned.OH);
  std::swap(turned.W, turned.OW);
  turned.pad_h = s.dilation_h * (s.KH - 1) - s.pad_h;
  turned.pad_w = s.dilation_w * (s.KW - 1) - s.pad_w;
  const Panels panels(kernels::table<T>(), turned.group_out());
  const Tensor packed = ConstantWeights::packed(weight, 2 * s.groups + 1, [&] {
    const T* w = weight.data<T>();
    const int64_t last_tap = s.KH * s.KW - 1;
    return pack<T>(turned, panels, [&](int64_t group, int64_t tap, int64_t k, int64_t column) {
      return w[(group * s.group_out() + k) * s.patch() + (last_tap - tap) * s.group_in() + column];
    });
  });
  multiply_bands<T>(turned, panels, dx, grad, packed, Tensor(), /*relu=*/false);
}

namespace {

// The columns of one panel of grad [pixels, O], as outer_tile reads them: in place where they are all there is, else
// copied. Rows that are O apart would come from as many cache lines, which for powers of two fall into few sets; and
// the columns of a short panel are filled up with zeros, as a vector load would run into the next pixel, or past the
// end.
template <class T>
const T* grad_panel(int64_t O, int64_t used, int64_t columns, const T* grad, int64_t pixels, T* buffer) {
  if (O == columns && used == columns) return grad;
  T* to = buffer;
  for (int64_t i = 0; i < pixels; ++i, grad += O, to += columns) {
    std::copy_n(grad, used, to);
    std::fill_n(to + used, columns - used, T(0));
  }
  return buffer;
}

// Adds one band's share of the gradient of one panel: sums [taps and input channels, columns].
// `grad` is the band's first pixel and the panel's first channel.
template <class T>
void add_band(const ConvShape& s, const Panels& panels, int64_t group, int64_t panel, const Band<T>& band,
              const T* grad, Tensor& buffer, T* sums) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const Segments segments(s, band.input_row);
  const bool one_row = band.rows == 1;
  // A band of one long row is cut along the row; others by whole rows.
  const int64_t length = one_row ? band.pixels : band.rows, per_unit = one_row ? 1 : band.pixels;
  const int64_t largest = std::max<int64_t>(1, kOuterPixels / per_unit), columns = panels.columns;
  if (!buffer.defined() || buffer.numel() < largest * per_unit * columns)
    buffer = Tensor::empty({largest * per_unit * columns}, dtype_of<T>());
  for_each_piece(length, largest, [&](int64_t begin, int64_t size) {
    const T* a = band.window + begin * (one_row ? band.pixel_stride : band.row_stride) + group * s.group_in();
    const T* b = grad_panel(s.O, panels.used_columns(panel), columns, grad + begin * per_unit * s.O, size * per_unit,
                            buffer.data<T>());
    for (size_t segment = 0; segment < segments.offsets.size(); ++segment)
      for_each_piece(segments.depth, panels.max_rows, [&](int64_t first, int64_t rows) {
        kernel.outer_tile(static_cast<int>(rows), panels.vectors,
                          {a + segments.offsets[segment] + first, band.row_stride, band.pixel_stride, b,
                           band.pixels * columns, columns, one_row ? 1 : size, one_row ? size : band.pixels,
                           sums + (static_cast<int64_t>(segment) * segments.depth + first) * columns, columns});
      });
  });
}

}  // namespace

// Every task sums one panel over one part of the bands; parts are then added up in order.
template <class T>
void direct_weight_grad(const ConvShape& s, T* dw, const T* grad, const T* x) {
  const Panels panels(kernels::table<T>(), s.group_out());
  const Bands bands(s, sizeof(T));
  const int64_t parts = std::clamp<int64_t>(s.N * s.OH * s.OW / kPartPixels, 1, std::min(kMaxParts, bands.count()));
  const int64_t all_panels = s.groups * panels.count, panel_size = s.patch() * panels.columns;
  Tensor partial = Tensor::zeros({parts, all_panels, s.patch(), panels.columns}, dtype_of<T>());
  T* sums = partial.data<T>();
  parallel_for(parts * all_panels, 1, [&](int64_t first, int64_t last) {
    Tensor window_buffer, grad_buffer;
    for (int64_t task = first; task < last; ++task) {
      const int64_t part = task / all_panels, group = task % all_panels / panels.count, panel = task % panels.count;
      const int64_t channel = group * s.group_out() + panel * panels.columns;
      for (int64_t index = part * bands.count() / parts; index < (part + 1) * bands.count() / parts; ++index) {
        const Band<T> band = make_band(s, bands, index, x, window_buffer);
        add_band(s, panels, group, panel, band, grad + band.first_pixel * s.O + channel, grad_buffer,
                 sums + task * panel_size);
      }
    }
  });
  // [group][panel][k][column] -> [O][k]
  parallel_for(s.O, 16, [&](int64_t first, int64_t last) {
    for (int64_t o = first; o < last; ++o) {
      const int64_t column = o % s.group_out(), panel = o / s.group_out() * panels.count + column / panels.columns;
      for (int64_t k = 0; k < s.patch(); ++k) {
        const T* from = sums + (panel * s.patch() + k) * panels.columns + column % panels.columns;
        T total = from[0];
        for (int64_t part = 1; part < parts; ++part) total += from[part * all_panels * panel_size];
        dw[o * s.patch() + k] = total;
      }
    }
  });
}

template void direct_conv2d(const ConvShape&, float*, const float*, const Tensor&, const float*, bool);
template void direct_conv2d(const ConvShape&, double*, const double*, const Tensor&, const double*, bool);
template void direct_input_grad(const ConvShape&, float*, const float*, const Tensor&);
template void direct_input_grad(const ConvShape&, double*, const double*, const Tensor&);
template void direct_weight_grad(const ConvShape&, float*, const float*, const float*);
template void direct_weight_grad(const ConvShape&, double*, const double*, const double*);

}  // namespace kindling::detail
