// The gradient of a convolution with respect to its weights, by the adjoint of Winograd's minimal
// filtering: with v of a tile's patch (kernels/winograd.h: input) and z of its gradient (grad),
//   dw = weights(sum over tiles of z . v).
// Over channels each point is a matrix product [O, tiles] x [tiles, C].
#include <algorithm>

#include <kindling/tensor/conv/partial_sums.h>
#include <kindling/tensor/conv/winograd.h>
#include <kindling/tensor/kernels/tile.h>

namespace kindling::detail {
namespace {

using kernels::ConvShape;
using kernels::WinogradScheme;
using kernels::WinogradTransforms;

// Output channels whose points are summed at a time, so that gradients, patches and sums stay in L2: with 64 input
// channels and F(4x4, 3x3), the sums of 32 take 295 KB, and those of 64 were 0.5 % of a v1.1 step slower.
constexpr int64_t kSumChannels = 32;
// Tiles of a part of the sum at least. Not tuned.
constexpr int64_t kPartTiles = 512;

// The sums of one task: some tiles, some output channels.
template <class T>
class PointSums {
 public:
  PointSums(const WinogradTransforms<T>& winograd, const ConvShape& s, const Tiles& tiles, int64_t capacity)
      : winograd_(winograd),
        s_(s),
        tiles_(tiles),
        panels_(kernels::table<T>(), s.C),
        v_plane_(plane_of<T>(capacity * s.C)),
        z_plane_(plane_of<T>(capacity * kSumChannels)),
        sum_plane_(plane_of<T>(kSumChannels * s.C)),
        // A tile reads whole vectors: behind the last patch there must be some more.
        buffer_(Tensor::empty({tiles.points * (v_plane_ + z_plane_) + panels_.columns}, dtype_of<T>())),
        v_(buffer_.template data<T>()),
        z_(v_ + tiles.points * v_plane_ + panels_.columns) {}

  void load_patches(int64_t first, int64_t count, const T* x) {
    transform_patches<T>(winograd_, s_, tiles_, first, count, {x, s_.C}, v_, v_plane_);
  }

  // Elements from one point of the sums to the next.
  int64_t sum_plane() const { return sum_plane_; }

  // sums [points, channels, C] = [sums +] Z^T V for output channels [channel, channel + channels).
  void add(int64_t first, int64_t count, Pixels<const T> grad, int64_t channel, int64_t channels, T* sums, bool add) {
    const kernels::Table<T>& kernel = kernels::table<T>();
    for (int64_t t = 0; t < count; ++t) {
      const TilePlace at = tiles_.place(s_, first + t);
      winograd_.grad(channels, z_ + t * kSumChannels, z_plane_, grad.data + at.pixel * grad.ld + channel,
                     s_.OW * grad.ld, grad.ld, at.rows, at.columns);
    }
    for (int64_t point = 0; point < tiles_.points; ++point)
      for (int64_t panel = 0; panel < panels_.count; ++panel) {
        const int64_t column = panel * panels_.columns;
        for_each_piece(channels, panels_.max_rows, [&](int64_t begin, int64_t rows) {
          kernel.outer_tile(static_cast<int>(rows), panels_.vectors,
                            {.a = z_ + point * z_plane_ + begin,
                             .lda = kSumChannels,
                             .b = v_ + point * v_plane_ + column,
                             .ldb = s_.C,
                             .pixels = count,
                             .c = sums + point * sum_plane_ + begin * s_.C + column,
                             .ldc = s_.C,
                             .columns = panels_.used_columns(panel),
                             .add = add});
        });
      }
  }

 private:
  const WinogradTransforms<T>& winograd_;
  const ConvShape& s_;
  const Tiles& tiles_;
  Panels panels_;
  int64_t v_plane_, z_plane_, sum_plane_;
  Tensor buffer_;
  T *v_, *z_;
};

}  // namespace

template <class T>
void winograd_weight_grad(WinogradScheme scheme, const ConvShape& s, T* dw, bool add, Pixels<const T> grad,
                          const T* x) {
  const WinogradTransforms<T>& winograd = transforms<T>(scheme);
  const Tiles tiles(s, winograd);
  const int64_t channel_blocks = ceil_div(s.O, kSumChannels);
  const int64_t parts = sum_parts(tiles.count, kPartTiles);
  // Cutting channels changes no sum; it only makes tasks for several threads, each of which transforms all patches.
  const int64_t cuts = pieces_of_task(parts, channel_blocks);
  PartialSums<T> partial(parts, s.O * s.patch(), dw);
  parallel_for(parts * cuts, 1, [&](int64_t task, int64_t) {
    const int64_t part = task / cuts, cut = task % cuts;
    const Range own = part_of(tiles.count, part, parts);
    const int64_t first = own.begin, count = own.size();
    const int64_t blocks = ceil_div(count, tiles.largest_block(s.C));
    const auto [begin, end] = part_of(channel_blocks, cut, cuts);
    PointSums<T> point_sums(winograd, s, tiles, ceil_div(count, blocks));
    const int64_t kept = blocks > 1 ? end - begin : 1;  // sums of channels that the next block of tiles adds to
    Tensor sums = Tensor::empty({kept, tiles.points * point_sums.sum_plane()}, dtype_of<T>());
    T* const to = partial.part(part);
    for (int64_t block = 0; block < blocks; ++block) {
      const Range of_part = part_of(count, block, blocks);
      const int64_t tile = first + of_part.begin, block_tiles = of_part.size();
      point_sums.load_patches(tile, block_tiles, x);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t channel = i * kSumChannels, channels = std::min(kSumChannels, s.O - channel);
        T* const block_sums = sums.data<T>() + (i - begin) % kept * tiles.points * point_sums.sum_plane();
        point_sums.add(tile, block_tiles, grad, channel, channels, block_sums, /*add=*/block > 0);
        if (block + 1 < blocks) continue;
        for (int64_t o = 0; o < channels; ++o)
          winograd.weights(s.C, to + (channel + o) * s.patch(), s.C, block_sums + o * s.C, point_sums.sum_plane(),
                           add && part == 0);
      }
    }
  });
  partial.finish();
}

template void winograd_weight_grad(WinogradScheme, const ConvShape&, float*, bool, Pixels<const float>, const float*);
template void winograd_weight_grad(WinogradScheme, const ConvShape&, double*, bool, Pixels<const double>,
                                   const double*);

}  // namespace kindling::detail
