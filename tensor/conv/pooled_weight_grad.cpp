// The gradient of a convolution's weights where its map is max pooled. The gradient of the map is zero but at the
// pixels that the pooling took: of a 3x3 pooling by steps of 2, at most one in four. So the sum is taken over these
// alone,
//   dw[o] = sum over pooled pixels of grad[o] * (patch of the pixel that the pooling took for channel o),
// and the gradient is never unpooled. Each channel reads patches of its own choice, so they are gathered first, some
// columns of windows at a time.
#include <algorithm>
#include <array>

#include <kindling/tensor/conv/partial_sums.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/conv/window.h>
#include <kindling/tensor/kernels/pooled_patches.h>
#include <kindling/tensor/pool_geometry.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Bytes of the patches that one row of windows reads: most of them stay in L1 (48 KiB on a Zen 5, where 16, 24 and 48
// KiB were 0 to 1 % slower).
constexpr int64_t kPatchBytes = 32 << 10;

// The patches of the pixels under some columns of windows: those of the rows of the map that one row of windows sees.
template <class T>
class WindowPatches {
 public:
  WindowPatches(const ConvShape& s, const PoolGeometry& g, int64_t group, Range columns, const T* x)
      : s_(s),
        g_(g),
        group_(group),
        x_(x),
        first_(columns.begin * g.o.stride.w - g.o.padding.w),
        pixels_(pixels_of(g, columns.size())),
        width_(width_of(s)),
        buffer_(Tensor::zeros({g.o.kernel.h * pixels_ * width_}, dtype_of<T>())) {}

  // Elements of a patch, in whole vectors: behind its end there are zeros.
  static int64_t width_of(const ConvShape& s) { return round_up(s.patch(), kernels::table<T>().lanes); }
  // Columns of windows whose patches fit.
  static int64_t most_columns(const ConvShape& s, const PoolGeometry& g) {
    const int64_t pixel = g.o.kernel.h * width_of(s) * static_cast<int64_t>(sizeof(T));
    return std::clamp<int64_t>((kPatchBytes / pixel - g.o.kernel.w) / g.o.stride.w + 1, 1, g.y[2]);
  }

  // Gathers what row i of an image's windows sees, but for the rows that are still there from the windows before. Rows
  // of an image must come in their order.
  void load(int64_t image, int64_t i) {
    const int64_t h = i * g_.o.stride.h - g_.o.padding.h;
    if (image != image_) last_row_ = -1;
    image_ = image;
    const int64_t begin = std::max<int64_t>(first_, 0), end = std::min(first_ + pixels_, s_.OW);
    for (int64_t row = std::max({h, last_row_ + 1, int64_t{0}}); row < std::min(h + g_.o.kernel.h, s_.OH); ++row) {
      const int64_t pixel = (image * s_.OH + row) * s_.OW;
      gather_patches(s_, x_, group_, {0, s_.patch()}, {pixel + begin, pixel + end},
                     buffer_.template data<T>() + place(row, begin - first_), width_);
      last_row_ = row;
    }
    fetch_below(image, h + g_.o.kernel.h, begin, end);
    for (int64_t p = 0; p < g_.o.kernel.h; ++p)
      for (int64_t q = 0; q < g_.o.kernel.w; ++q)
        taps_[static_cast<size_t>(p * g_.o.kernel.w + q)] = place(h + p + g_.o.kernel.h, q);  // h may be above the map
  }

  const T* data() const { return buffer_.template data<T>(); }
  const int64_t* taps() const { return taps_.data(); }

 private:
  static int64_t pixels_of(const PoolGeometry& g, int64_t windows) {
    return (windows - 1) * g.o.stride.w + g.o.kernel.w;
  }
  // The image was last read in the forward pass, so it is far: the image's rows that row `row` of the map and the ones
  // behind it see first are fetched while these windows are added up.
  void fetch_below(int64_t image, int64_t row, int64_t begin, int64_t end) const {
    const int64_t h = (row - 1) * s_.stride_h - s_.pad_h + (s_.KH - 1) * s_.dilation_h + 1;
    const int64_t rows = std::min(g_.o.stride.h * s_.stride_h, s_.H - h), line = s_.W * s_.C;
    const int64_t w = std::max<int64_t>(begin * s_.stride_w - s_.pad_w, 0), last = std::min(end * s_.stride_w, s_.W);
    if (h >= 0) fetch_rows(x_ + (image * s_.H + h) * line + w * s_.C, rows, line, (last - w) * s_.C);
  }
  // Row r of the map lies in slot r % kernel.h.
  int64_t place(int64_t row, int64_t pixel) const { return (row % g_.o.kernel.h * pixels_ + pixel) * width_; }

  const ConvShape& s_;
  const PoolGeometry& g_;
  int64_t group_;
  const T* x_;
  int64_t first_, pixels_, width_;
  Tensor buffer_;
  std::array<int64_t, 256> taps_{};  // for every value of a byte, so that a wrong argmax reads nothing else
  int64_t image_ = -1, last_row_ = -1;
};

}  // namespace

bool has_pooled_weight_grad(const ConvShape& s, const PoolGeometry& g) {
  // Measured for first layers (1 to 3 channels) behind pools that take a quarter of the pixels. A tile does several
  // multiply-adds for each load where this does one, and long patches leave room for few windows in L1.
  constexpr int64_t kMostChannels = 4, kLeastRatio = 2;
  return s.C <= kMostChannels && kLeastRatio * g.y[1] * g.y[2] <= s.OH * s.OW;
}

template <class T>
void pooled_weight_grad(const ConvShape& s, const PoolGeometry& g, T* dw, bool add, const T* grad,
                        const uint8_t* argmax, const T* x) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t width = WindowPatches<T>::width_of(s), rows = s.N * g.y[1];
  const int64_t parts = std::min(sum_parts(s.N * s.OH * s.OW, kPartPixels), rows);
  Tensor sums = Tensor::empty({s.O, width}, dtype_of<T>());
  PartialSums<T> partial(parts, s.O * width, sums.data<T>());
  parallel_for(parts, 1, [&](int64_t part, int64_t) {
    T* const to = partial.part(part);
    std::fill_n(to, s.O * width, T(0));
    const Range own = part_of(rows, part, parts);
    for (int64_t group = 0; group < s.groups; ++group)
      for_each_piece(g.y[2], WindowPatches<T>::most_columns(s, g), [&](int64_t column, int64_t count) {
        WindowPatches<T> patches(s, g, group, {column, column + count}, x);
        for (int64_t row = own.begin; row < own.end; ++row) {
          patches.load(row / g.y[1], row % g.y[1]);
          const int64_t at = (row * g.y[2] + column) * s.O + group * s.group_out();
          kernel.add_pooled_patches({.pixels = count,
                                     .channels = s.group_out(),
                                     .grad = grad + at,
                                     .argmax = argmax + at,
                                     .ld = s.O,
                                     .patches = patches.data(),
                                     .step = g.o.stride.w * width,
                                     .taps = patches.taps(),
                                     .width = width},
                                    to + group * s.group_out() * width);
        }
      });
  });
  partial.finish();
  const T* from = sums.data<T>();
  for (int64_t o = 0; o < s.O; ++o)
    for (int64_t k = 0; k < s.patch(); ++k, ++dw) *dw = (add ? *dw : T(0)) + from[o * width + k];
}

template void pooled_weight_grad(const ConvShape&, const PoolGeometry&, float*, bool, const float*, const uint8_t*,
                                 const float*);
template void pooled_weight_grad(const ConvShape&, const PoolGeometry&, double*, bool, const double*, const uint8_t*,
                                 const double*);

}  // namespace kindling::detail
