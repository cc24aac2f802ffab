// Tiles of Winograd's F(2x2, 3x3) (kernels/winograd.h) on the maps of a convolution. Internal to tensor/.
#pragma once

#include <algorithm>

#include <kindling/tensor/conv_panels.h>
#include <kindling/tensor/conv_paths.h>
#include <kindling/tensor/kernels/winograd.h>

namespace kindling::detail {

inline constexpr int64_t kPoints = 16;  // of a transformed tile
// Elements of one transformed patch times tiles: with its 16 points 384 KiB of floats, a share of L2.
inline constexpr int64_t kPatchElements = 6144;
inline constexpr int64_t kMinTiles = 24, kMaxTiles = 96;
// Of one task where one image is to keep several cores busy: every task reads all weights.
inline constexpr int64_t kMinTaskTiles = 12;
inline int64_t largest_block(const kernels::ConvShape& s) {
  return std::clamp(kPatchElements / s.C, kMinTiles, kMaxTiles);
}

// Tiles of 2x2 output pixels, counted through all images.
struct TilePlace {
  int64_t image, i, j;    // its first pixel
  int64_t pixel;          // the same, counted through all output maps
  int64_t rows, columns;  // 1 or 2: how much of it lies on the map
};
struct Tiles {
  explicit Tiles(const kernels::ConvShape& s)
      : down(ceil_div(s.OH, 2)), across(ceil_div(s.OW, 2)), count(s.N * down * across) {}
  TilePlace place(const kernels::ConvShape& s, int64_t tile) const {
    const int64_t image = tile / (down * across), i = tile / across % down * 2, j = tile % across * 2;
    return {image, i, j, (image * s.OH + i) * s.OW + j, std::min<int64_t>(2, s.OH - i), std::min<int64_t>(2, s.OW - j)};
  }
  int64_t down, across, count;
};

// The 4x4 pixels that one tile sees; where some lie in the padding, or beyond it, a copy in `buffer` [4, 4, C].
template <class T>
struct Patch {
  const T* data;
  int64_t row, pixel;
};
template <class T>
Patch<T> patch_of(const kernels::ConvShape& s, const TilePlace& at, Pixels<const T> x, T* buffer) {
  const int64_t h0 = at.i - s.pad_h, w0 = at.j - s.pad_w;
  const T* pixels = x.data + ((at.image * s.H + h0) * s.W + w0) * x.ld;
  if (h0 >= 0 && w0 >= 0 && h0 + 4 <= s.H && w0 + 4 <= s.W) return {pixels, s.W * x.ld, x.ld};
  const int64_t left = std::clamp<int64_t>(-w0, 0, 4), right = std::clamp<int64_t>(s.W - w0, left, 4);
  for (int64_t i = 0; i < 4; ++i) {
    T* to = buffer + i * 4 * s.C;
    if (h0 + i < 0 || h0 + i >= s.H) {
      std::fill_n(to, 4 * s.C, T(0));
      continue;
    }
    std::fill_n(to, left * s.C, T(0));
    kernels::table<T>().copy_rows(right - left, s.C, to + left * s.C, s.C, pixels + (i * s.W + left) * x.ld, x.ld);
    std::fill_n(to + right * s.C, (4 - right) * s.C, T(0));
  }
  return {buffer, 4 * s.C, s.C};
}

// B^T d B of `count` tiles from number `first` on, into v [points, tiles, C]; `buffer` has room for one patch.
template <class T>
void transform_patches(const kernels::ConvShape& s, const Tiles& tiles, int64_t first, int64_t count, Pixels<const T> x,
                       T* v, int64_t plane, T* buffer) {
  for (int64_t t = 0; t < count; ++t) {
    const Patch<T> patch = patch_of(s, tiles.place(s, first + t), x, buffer);
    kernels::table<T>().winograd_input(s.C, v + t * s.C, plane, patch.data, patch.row, patch.pixel);
  }
}

}  // namespace kindling::detail
