// Convolutions by Winograd's minimal filtering (kernels/winograd.h). Tiles are taken some at a time, so that their
// transforms stay in L2: patches are transformed, then for every panel of output channels one matrix product a point by
// the micro-kernel, and the panel's tiles transformed back.
#include <algorithm>

#include <kindling/tensor/conv.h>
#include <kindling/tensor/conv/winograd.h>
#include <kindling/tensor/kernels/winograd.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;
using kernels::WinogradScheme;
using Product = WeightPacking::Product;

// Below, the transforms cost what the products save.
constexpr int64_t kMinChannels = 16;
// Tasks that a small batch is cut into at least, by panels where there are too few tiles. Not tuned.
constexpr int64_t kMinTasksOfPanels = 4;

// The scheme with the fewest products for each pair of channels, if it has fewer than the definition.
std::optional<WinogradScheme> cheapest_scheme(const ConvShape& s) {
  std::optional<WinogradScheme> best;
  int64_t least = s.OH * s.OW * s.KH * s.KW;
  for (int i = 0; i < kernels::kWinogradSchemes; ++i) {
    const auto& winograd = kernels::table<float>().winograd[i];
    if (s.KH != winograd.taps || s.KW != winograd.taps) continue;
    const Tiles tiles(s, winograd);
    const int64_t products = tiles.down * tiles.across * tiles.points;
    if (products >= least) continue;
    least = products;
    best = static_cast<WinogradScheme>(i);
  }
  return best;
}

}  // namespace

bool may_use_winograd(const ConvShape& s) {
  const auto& schemes = kernels::table<float>().winograd;
  return conv_algorithm() == ConvAlgorithm::automatic && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.groups == 1 && s.C >= kMinChannels && s.O >= kMinChannels &&
         std::any_of(std::begin(schemes), std::end(schemes),
                     [&](const auto& winograd) { return s.KH == winograd.taps && s.KW == winograd.taps; });
}

std::optional<WinogradScheme> winograd_scheme(const ConvShape& s) {
  return may_use_winograd(s) ? cheapest_scheme(s) : std::nullopt;
}

template <class T>
void winograd_conv2d(WinogradScheme scheme, const ConvShape& s, Pixels<T> y, bool add, Pixels<const T> x,
                     const Tensor& weight, bool turned, const T* bias, bool relu) {
  const kernels::WinogradTransforms<T>& winograd = transforms<T>(scheme);
  const Panels panels(kernels::table<T>(), s.O);
  const T* w = weight.data<T>();
  const int64_t taps = winograd.taps * winograd.taps;
  const Tensor packed =
      packed_filters<T>(scheme, turned ? Product::turned : Product::output, weight, s.C, panels, [&](int64_t tap) {
        return turned ? Matrix<T>{w + (taps - 1 - tap) * s.O, taps * s.O}
                      : Matrix<T>{w + tap * s.C, taps * s.C, /*transposed=*/true};
      });
  const Tiles tiles(s, winograd);
  const int64_t points = tiles.points;
  const int64_t tasks = pieces_of_task(1, tiles.count / kMinTaskTiles);
  const int64_t blocks = std::max(ceil_div(tiles.count, tiles.largest_block(s.C)), tasks);
  // Panels are cut where there are few tiles: every task then transforms all patches of its block.
  const int64_t cuts = tasks_here(std::clamp<int64_t>(kMinTasksOfPanels / blocks, 1, panels.count));
  const int64_t capacity = ceil_div(tiles.count, blocks);
  parallel_for(blocks * cuts, 1, [&](int64_t task, int64_t) {
    const int64_t block = task / cuts, cut = task % cuts;
    const auto [first_panel, last_panel] = part_of(panels.count, cut, cuts);
    const Range own = part_of(tiles.count, block, blocks);
    const int64_t first = own.begin, count = own.size();
    const int64_t v_plane = plane_of<T>(capacity * s.C), m_plane = plane_of<T>(capacity * panels.columns);
    Tensor buffer = Tensor::empty({points * (v_plane + m_plane)}, dtype_of<T>());
    T* const v = buffer.data<T>();
    T* const m = v + points * v_plane;
    transform_patches(winograd, s, tiles, first, count, x, v, v_plane);
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const int64_t channel = panel * panels.columns, used = panels.used_columns(panel);
      multiply_points<T>(panels, tiles, count, {v, s.C, v_plane}, packed.data<T>(), panel, m, m_plane);
      for (int64_t t = 0; t < count; ++t) {
        const TilePlace at = tiles.place(s, first + t);
        winograd.output(used,
                        {.y = y.data + at.pixel * y.ld + channel,
                         .row = s.OW * y.ld,
                         .pixel = y.ld,
                         .rows = at.rows,
                         .columns = at.columns,
                         .bias = bias != nullptr ? bias + channel : nullptr,
                         .relu = relu,
                         .add = add},
                        m + t * panels.columns, m_plane);
      }
    }
  });
}

template void winograd_conv2d(WinogradScheme, const ConvShape&, Pixels<float>, bool, Pixels<const float>, const Tensor&,
                              bool, const float*, bool);
template void winograd_conv2d(WinogradScheme, const ConvShape&, Pixels<double>, bool, Pixels<const double>,
                              const Tensor&, bool, const double*, bool);

}  // namespace kindling::detail
