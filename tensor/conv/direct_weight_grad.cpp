// The gradient with respect to the weights: dw[O, K] = grad[pixels, O]^T patches[pixels, K]. A tile holds some output
// channels' weights for a panel of columns of the patch, and sums over pixels. Patches are gathered one panel of some
// pixels at a time, so that what is gathered is used from L1 by all output channels. Where patches are short beside the
// output's pixels (a network's first layer, a Fire module's expand1x1) it is the other way round: panels are of output
// channels, whose gradients are read in one stream, and nothing is gathered.
#include <algorithm>

#include <kindling/tensor/conv/partial_sums.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/conv/window.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/panels.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;

// Elements of the patches that one call of outer_tile sums over: pixels enough to pay for storing the tile, few enough
// to stay in L1.
constexpr int64_t kPanelElements = 4096;
// From so many output channels on, pixels of a pointwise convolution are gathered too: 16 tiles of 6 rows read them.
// Not tuned.
constexpr int64_t kGatherChannels = 96;
// A task walks over the gradient of so many pixels and output channels once for every panel, so it should stay in L2
// (512 KiB of floats).
constexpr int64_t kGradPixels = 512, kGradChannels = 256;

// Whether output channels make the columns. Up to four input channels, runs of a patch are so short that to gather them
// costs as much as to multiply them. Of pointwise convolutions it pays from twice as many outputs as inputs on, as long
// as the sums stay in L1, since they are stored after every few rows of pixels.
bool has_outputs_in_columns(const ConvShape& s) {
  constexpr int64_t kFewChannels = 4, kManyTimes = 2, kMostWeights = 8 << 10;
  if (s.groups != 1 || s.dilation_w != 1) return false;
  return s.is_pointwise() ? s.O >= kManyTimes * s.C && s.O * s.C <= kMostWeights : s.C <= kFewChannels;
}

// Output rows [first, last) of one image.
struct Lines {
  int64_t image, first, last;
};

// dw^T[K, O] += patches^T[K, pixels] grad[pixels, O] for some lines: rows of a tile are elements of one row of the
// window, broadcast from the image as it lies, columns are output channels. `sums` [K, width] has whole panels of them,
// and so has g, the gradient from the first of the lines on.
template <class T>
void add_lines(const ConvShape& s, const T* x, const Panels& panels, const Lines& lines, Pixels<const T> g,
               FetchAhead<T> following, T* sums) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t width = panels.width(), length = s.KW * s.C, line = s.stride_h * s.W * s.C;
  for_each_patch_run(s, {0, s.patch()}, [&](const PatchRun& run) {
    const auto add_products = [&](const T* a, int64_t lda, int64_t line_a, const Lines& some, int64_t j,
                                  int64_t pixels) {
      if (pixels == 0) return;
      const T* b = g.data + ((some.first - lines.first) * s.OW + j) * g.ld;
      for (int64_t column = 0; column < width; column += panels.columns)
        for_each_piece(length, panels.max_rows, [&](int64_t element, int64_t rows) {
          kernel.outer_tile(static_cast<int>(rows), panels.vectors,
                            {.a = a + element,
                             .lda = lda,
                             .b = b + column,
                             .ldb = g.ld,
                             .pixels = pixels,
                             .c = sums + (run.column + element) * width + column,
                             .ldc = width,
                             .columns = panels.columns,
                             .add = true,
                             .lines = some.last - some.first,
                             .line_a = line_a,
                             .line_b = s.OW * g.ld,
                             .fetch = following.take((some.last - some.first) * pixels * kCacheLine<T>),
                             .fetch_step = kCacheLine<T>});
        });
    };
    // Lines and pixels whose windows have this row on the image; those that it sticks out of at a side are gathered.
    const int64_t h = run.dh - s.pad_h, last_h = s.H - 1 - h;
    const Lines some{lines.image, std::max(lines.first, h < 0 ? ceil_div(-h, s.stride_h) : 0),
                     std::min(lines.last, last_h < 0 ? 0 : last_h / s.stride_h + 1)};
    if (some.first >= some.last) return;
    const auto row_of = [&](int64_t i) { return padded_row<const T>(s, {x, s.C}, lines.image, i * s.stride_h + h); };
    const Runs windows{s.OW, length, (run.dw - s.pad_w) * s.C, s.stride_w * s.C};
    const PaddedRow<const T> row = row_of(some.first);
    const auto [left, right] = row.whole(windows);
    add_products(row.data + windows.first + left * windows.step, windows.step, line, some, left, right - left);
    const int64_t edges[][2] = {{0, left}, {right, s.OW}};
    for (const auto& [begin, end] : edges) {
      if (begin == end) continue;
      Tensor gathered = Tensor::empty({some.last - some.first, end - begin, length}, dtype_of<T>());
      for (int64_t i = some.first; i < some.last; ++i)
        row_of(i).read({end - begin, length, windows.first + begin * windows.step, windows.step},
                       gathered.data<T>() + (i - some.first) * (end - begin) * length, length);
      add_products(gathered.data<T>(), length, (end - begin) * length, some, begin, end - begin);
    }
  });
}

template <class T>
void weight_grad_by_outputs(const ConvShape& s, T* dw, bool add, Pixels<const T> grad, const T* x) {
  const Panels panels(kernels::table<T>(), s.O);
  const int64_t width = panels.width();
  // Lines whose gradient a panel reads again and again, from L1.
  const int64_t most = std::max<int64_t>(kPanelElements / (s.OW * panels.columns), 1), blocks = ceil_div(s.OH, most);
  const int64_t parts = std::min(sum_parts(s.N * s.OH * s.OW, kPartPixels), s.N * blocks);
  Tensor transposed = Tensor::empty({s.patch(), width}, dtype_of<T>());
  PartialSums<T> partial(parts, s.patch() * width, transposed.data<T>());
  parallel_for(parts, 1, [&](int64_t part, int64_t) {
    T* sums = partial.part(part);
    std::fill_n(sums, s.patch() * width, T(0));
    Tensor wide;  // gradients with whole vectors for the last channels
    if (width > s.O) wide = Tensor::zeros({most * s.OW, width}, dtype_of<T>());
    const Range own = part_of(s.N * blocks, part, parts);
    for (int64_t i = own.begin; i < own.end; ++i) {
      const Range rows = part_of(s.OH, i % blocks, blocks);
      const Lines lines{i / blocks, rows.begin, rows.end};
      Pixels<const T> g{grad.data + (lines.image * s.OH + lines.first) * s.OW * grad.ld, grad.ld};
      if (wide.defined()) {
        kernels::table<T>().copy_rows((lines.last - lines.first) * s.OW, s.O, wide.data<T>(), width, g.data, g.ld);
        g = {wide.data<T>(), width};
      }
      // The gradient of the next lines follows in memory, unless it is part of something wider.
      const int64_t here = (lines.last - lines.first) * s.OW * s.O;
      const bool follows = grad.ld == s.O && i + 1 < own.end;
      const T* const end = grad.data + (lines.image * s.OH + lines.last) * s.OW * grad.ld;
      add_lines(s, x, panels, lines, g, FetchAhead<T>(end, follows ? here : 0), sums);
    }
  });
  partial.finish();
  const T* sums = transposed.data<T>();
  for (int64_t o = 0; o < s.O; ++o)
    for (int64_t k = 0; k < s.patch(); ++k, ++dw) *dw = (add ? *dw : T(0)) + sums[k * width + o];
}

// The gradient where patches are gathered. A task adds up one part of the pixels for some panels of columns and some
// output channels of every group; only how pixels are cut changes the order of a sum.
template <class T>
class GatheredWeightGrad {
 public:
  GatheredWeightGrad(const ConvShape& s, Pixels<const T> grad, const T* x)
      : s_(s),
        grad_(grad),
        x_(x),
        panels_(kernel_, s.patch()),
        largest_piece_(std::min(kPanelElements / panels_.columns, kGradPixels)),
        parts_(sum_parts(all_pixels(), kPartPixels)),
        channel_cuts_(ceil_div(s.group_out(), kGradChannels)),
        panel_cuts_(pieces_of_task(parts_ * channel_cuts_, all_panels())) {}

  void run(T* dw, bool add) const {
    PartialSums<T> partial(parts_, s_.O * s_.patch(), dw);
    parallel_for(parts_ * channel_cuts_ * panel_cuts_, 1, [&](int64_t task, int64_t) {
      const int64_t part = task / (channel_cuts_ * panel_cuts_);
      const Range pixels = part_of(all_pixels(), part, parts_);
      Block block{{},
                  part_of(all_panels(), task % panel_cuts_, panel_cuts_),
                  part_of(s_.group_out(), task / panel_cuts_ % channel_cuts_, channel_cuts_),
                  Tensor::empty({largest_piece_, panels_.columns}, dtype_of<T>()),
                  partial.part(part)};
      for_each_piece(pixels.size(), kGradPixels, [&](int64_t begin, int64_t size) {
        block.pixels = {pixels.begin + begin, pixels.begin + begin + size};
        add_block(block, (add && part == 0) || begin > 0);
      });
    });
    partial.finish();
  }

 private:
  // What add_block adds to `sums` [O, K].
  struct Block {
    Range pixels;
    Range panels, channels;
    Tensor gathered;  // one panel of some pixels' patches
    T* sums;
  };

  int64_t all_pixels() const { return s_.N * s_.OH * s_.OW; }
  int64_t all_panels() const { return s_.groups * panels_.count; }

  void add_block(Block& block, bool add) const {
    for (int64_t panel = block.panels.begin; panel < block.panels.end; ++panel)
      for_each_piece(block.pixels.size(), largest_piece_, [&](int64_t begin, int64_t pixels) {
        add_piece(block, panel, block.pixels.begin + begin, pixels, add || begin > 0);
      });
  }

  void add_piece(Block& block, int64_t panel, int64_t pixel, int64_t pixels, bool add) const {
    const int64_t group = panel / panels_.count, column = panel % panels_.count * panels_.columns;
    const int64_t used = panels_.used_columns(panel % panels_.count), ld = panels_.columns;
    // Rows that lie a power of two apart fall into few sets of L1, so gathering pays if enough tiles read them.
    const bool in_place = s_.is_pointwise() && used == ld && (s_.C == used || s_.O < kGatherChannels);
    T* gathered = block.gathered.template data<T>();
    if (!in_place) {
      fill_zeros(pixels, ld - used, gathered + used, ld);
      gather_patches(s_, x_, group, {column, column + used}, {pixel, pixel + pixels}, gathered, ld);
    }
    // What is far is fetched meanwhile: where patches are read in place, those of the next pixels, one line of each by
    // every tile; else channels of the gradient that are to come.
    const bool has_next = pixel + 2 * pixels <= all_pixels();
    int64_t line = 0;
    for_each_piece(block.channels.size(), panels_.max_rows, [&](int64_t channel, int64_t rows) {
      channel += group * s_.group_out() + block.channels.begin;
      const T* const a = grad_.data + pixel * grad_.ld + channel;
      const T* fetch = nullptr;
      if (!in_place && channel + kCacheLine<T> < s_.O) {
        fetch = a + kCacheLine<T>;
      } else if (in_place && has_next && line < used) {
        fetch = x_ + (pixel + pixels) * s_.C + column + line;
        line += kCacheLine<T>;
      }
      kernel_.outer_tile(static_cast<int>(rows), panels_.vectors,
                         {.a = a,
                          .lda = grad_.ld,
                          .b = in_place ? x_ + pixel * s_.C + column : gathered,
                          .ldb = in_place ? s_.C : ld,
                          .pixels = pixels,
                          .c = block.sums + channel * s_.patch() + column,
                          .ldc = s_.patch(),
                          .columns = used,
                          .add = add,
                          .fetch = fetch,
                          .fetch_step = in_place ? s_.C : grad_.ld});
    });
  }

  const kernels::Table<T>& kernel_ = kernels::table<T>();
  const ConvShape& s_;
  Pixels<const T> grad_;
  const T* x_;
  Panels panels_;
  int64_t largest_piece_, parts_, channel_cuts_, panel_cuts_;
};

}  // namespace

template <class T>
void direct_weight_grad(const ConvShape& s, T* dw, bool add, Pixels<const T> grad, const T* x) {
  if (const auto scheme = winograd_scheme(s)) return winograd_weight_grad<T>(*scheme, s, dw, add, grad, x);
  if (has_outputs_in_columns(s)) return weight_grad_by_outputs<T>(s, dw, add, grad, x);
  GatheredWeightGrad<T>(s, grad, x).run(dw, add);
}

template void direct_weight_grad(const ConvShape&, float*, bool, Pixels<const float>, const float*);
template void direct_weight_grad(const ConvShape&, double*, bool, Pixels<const double>, const double*);

}  // namespace kindling::detail
