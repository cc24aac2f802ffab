// Tiles of Winograd's minimal filtering (kernels/winograd.h) on the maps of a convolution. Internal to tensor/.
#pragma once

#include <algorithm>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/conv/paths.h>
#include <kindling/tensor/conv/window.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/kernels/winograd.h>
#include <kindling/tensor/panels.h>

namespace kindling::detail {

// Elements of the transformed patches that are worked on at once: 384 KiB of floats, a share of L2 (1 MiB on the
// machines measured; half and twice as many made no difference).
inline constexpr int64_t kPatchElements = 98304;
// At least two full tiles of product_tile (6 rows with 4 vectors) for each reading of the weights, even where many
// channels then exceed that share; at most 16.
inline constexpr int64_t kMinTiles = 12, kMaxTiles = 96;
// Tiles of one task where one image is to keep several cores busy. Every task reads all weights, so not fewer. (Not
// tuned.)
inline constexpr int64_t kMinTaskTiles = 8;

template <class T>
const kernels::WinogradTransforms<T>& transforms(kernels::WinogradScheme scheme) {
  return kernels::table<T>().winograd[static_cast<int>(scheme)];
}

// Tiles of size x size output pixels, counted through all images.
struct TilePlace {
  int64_t image, i, j;    // its first pixel
  int64_t pixel;          // the same, counted through all output maps
  int64_t rows, columns;  // how much of it lies on the map
};
struct Tiles {
  template <class T>
  Tiles(const kernels::ConvShape& s, const kernels::WinogradTransforms<T>& w)
      : size(w.tile),
        side(w.points),
        points(side * side),
        down(ceil_div(s.OH, size)),
        across(ceil_div(s.OW, size)),
        count(s.N * down * across) {}
  // Tiles whose transforms, of so many channels, are to stay in L2.
  int64_t largest_block(int64_t channels) const {
    return std::clamp(kPatchElements / (points * channels), kMinTiles, kMaxTiles);
  }
  TilePlace place(const kernels::ConvShape& s, int64_t tile) const {
    const int64_t image = tile / (down * across), i = tile / across % down * size, j = tile % across * size;
    return {image, i, j, (image * s.OH + i) * s.OW + j, std::min(size, s.OH - i), std::min(size, s.OW - j)};
  }
  int64_t size, side;           // of a tile, and of the patch it sees
  int64_t points;               // of a transformed patch
  int64_t down, across, count;  // tiles in a column and in a row of an image, and in all images
};

// The pixels [side, side, C] that one tile sees, some of them perhaps in the padding or beyond it.
template <class T>
kernels::WinogradPatch<T> patch_of(const kernels::ConvShape& s, int64_t side, const TilePlace& at, Pixels<T> x) {
  const int64_t h0 = at.i - s.pad_h, w0 = at.j - s.pad_w;
  return {.d = x.data + ((at.image * s.H + h0) * s.W + w0) * x.ld,
          .row = s.W * x.ld,
          .pixel = x.ld,
          .first_row = std::max<int64_t>(-h0, 0),
          .last_row = std::min(s.H - h0, side),
          .first_column = std::max<int64_t>(-w0, 0),
          .last_column = std::min(s.W - w0, side)};
}

// B^T d B of `count` tiles from number `first` on, into v [points, tiles, C].
template <class T>
void transform_patches(const kernels::WinogradTransforms<T>& w, const kernels::ConvShape& s, const Tiles& tiles,
                       int64_t first, int64_t count, Pixels<const T> x, T* v, int64_t plane) {
  for (int64_t t = 0; t < count; ++t)
    w.input(s.C, v + t * s.C, plane, patch_of(s, tiles.side, tiles.place(s, first + t), x));
}

// The transformed weights of a product tile, [panel][point][k][column]. Those of a tap, not yet transformed, are
// `matrix(tap)`, with a row for each k.
template <class T, class OfTap>
Tensor packed_filters(kernels::WinogradScheme scheme, WeightPacking::Product product, const Tensor& weight,
                      int64_t depth, const Panels& panels, OfTap matrix) {
  return ConstantWeights::packed(weight, {.product = product, .winograd = scheme}, [&] {
    const kernels::WinogradTransforms<T>& winograd = transforms<T>(scheme);
    const int64_t taps = winograd.taps * winograd.taps, points = winograd.points * winograd.points;
    const int64_t plane = depth * panels.columns;
    Tensor packed = Tensor::empty({panels.count, points, depth, panels.columns}, dtype_of<T>());
    constexpr int64_t kRows = 16;  // of a task: squares of vectors, where they must be transposed
    const int64_t pieces = ceil_div(depth, kRows);
    parallel_for(panels.count * pieces, 1, [&](int64_t i, int64_t) {
      const int64_t panel = i / pieces, k = i % pieces * kRows, rows = std::min(kRows, depth - k);
      const int64_t size = rows * panels.columns;
      Tensor buffer = Tensor::empty({taps, size}, dtype_of<T>());
      for (int64_t tap = 0; tap < taps; ++tap)
        pack_panel<T>(panels, panel, matrix(tap).from(k, panel * panels.columns), rows, buffer.data<T>() + tap * size);
      winograd.filter(size, packed.data<T>() + panel * points * plane + k * panels.columns, plane, buffer.data<T>(),
                      size);
    });
    return packed;
  });
}

// How far apart two points lie that have so many `elements` each. A tile's transform touches all points. An odd number
// of cache lines spreads them over the sets of L1; a power of two would put all into one.
template <class T>
int64_t plane_of(int64_t elements) {
  return (ceil_div(elements, kCacheLine<T>) | 1) * kCacheLine<T>;
}

// Transformed tiles: element (point, tile, k) is data[point * plane + tile * depth + k].
template <class T>
struct Transformed {
  const T* data;
  int64_t depth, plane;
};

// m [points, count, columns] of a panel: at every point, its tiles times that point's weights (packed_filters). The
// weights of all layers are mostly larger than L2, and each point's serve few tiles. So every call of product_tile
// fetches a part of the next point's weights, a vector for every k.
template <class T>
void multiply_points(const Panels& panels, const Tiles& tiles, int64_t count, const Transformed<T>& v, const T* filters,
                     int64_t panel, T* m, int64_t m_plane) {
  constexpr int64_t kOneSegment = 0;
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t size = v.depth * panels.columns, fetched = v.depth * kernel.lanes;
  for (int64_t point = 0; point < tiles.points; ++point) {
    const T* const weights = filters + (panel * tiles.points + point) * size;
    const bool last = panel == panels.count - 1 && point == tiles.points - 1;
    FetchAhead<T> next(weights + size, last ? 0 : size);
    for_each_piece(count, panels.max_rows, [&](int64_t begin, int64_t rows) {
      kernel.product_tile(static_cast<int>(rows), panels.vectors,
                          {.a = v.data + point * v.plane + begin * v.depth,
                           .lda = v.depth,
                           .segments = &kOneSegment,
                           .segment_count = 1,
                           .depth = v.depth,
                           .b = weights,
                           .bias = nullptr,
                           .c = m + point * m_plane + begin * panels.columns,
                           .ldc = panels.columns,
                           .columns = panels.columns,
                           .relu = false,
                           .add = false,
                           .fetch = next.take(fetched)});
    });
  }
}

}  // namespace kindling::detail
