// The kernels that are compiled once per instruction set, as a table of pointers. Call them through `table<T>()`.
#pragma once

#include <cstdint>

#include <kindling/tensor/kernels/isa.h>

namespace kindling::kernels {

enum class Unary : uint8_t;
enum class Binary : uint8_t;
struct Window;
struct Covering;
template <class T>
struct ProductTile;
template <class T>
struct OuterTile;
template <class T>
struct PooledPatches;
template <class T>
struct Affine;
template <class T>
struct SGDStep;
template <class T>
struct AdamStep;
template <class T>
struct WinogradOutput;
template <class T>
struct WinogradPatch;

/// A tile has 1 to this many vectors of columns.
inline constexpr int kMaxTileVectors = 4;

/// Winograd's F(tile x tile, taps x taps).
enum class WinogradScheme : uint8_t { f2x2_3x3, f4x4_3x3, f2x2_5x5, f4x4_5x5 };
inline constexpr int kWinogradSchemes = 4;

/// The transforms of one scheme: members of Winograd in winograd.h.
template <class T>
struct WinogradTransforms {
  int tile, taps, points;  ///< along one side; points = tile + taps - 1
  void (*input)(int64_t C, T* v, int64_t plane, const WinogradPatch<const T>&);
  void (*output)(int64_t channels, const WinogradOutput<T>&, const T* m, int64_t plane);
  void (*grad)(int64_t channels, T* z, int64_t plane, const T* grad, int64_t row, int64_t pixel, int64_t rows,
               int64_t columns);
  void (*input_grad)(int64_t C, const WinogradPatch<T>&, const T* v, int64_t plane);
  void (*filter)(int64_t C, T* u, int64_t plane, const T* w, int64_t tap);
  void (*weights)(int64_t C, T* dw, int64_t tap, const T* u, int64_t plane, bool add);
};

/// Each member has the contract of the function of the same name in tile.h, winograd.h, copy.h,
/// elementwise.h, reduce.h, softmax.h, pool.h, pooled_patches.h, norm.h, philox.h or update.h.
template <class T>
struct Table {
  int lanes;                           ///< elements in a vector
  int tile_rows[kMaxTileVectors + 1];  ///< the most rows of a tile with that many vectors of columns; 0: no such tile
  void (*product_tile)(int rows, int vectors, const ProductTile<T>&);
  void (*outer_tile)(int rows, int vectors, const OuterTile<T>&);
  WinogradTransforms<T> winograd[kWinogradSchemes];  ///< by WinogradScheme
  void (*copy_rows)(int64_t rows, int64_t n, T* to, int64_t ld_to, const T* from, int64_t ld_from);
  void (*transpose_rows)(int64_t rows, int64_t n, T* to, int64_t ld_to, const T* from, int64_t ld_from);
  void (*unary)(Unary, int64_t n, T* y, int64_t sy, const T* x, int64_t sx);
  void (*binary)(Binary, int64_t n, T* y, int64_t sy, const T* a, int64_t sa, const T* b, int64_t sb);
  void (*add_scaled)(int64_t n, T* y, int64_t sy, const T* x, int64_t sx, T scale);
  T (*sum)(int64_t n, const T* x);
  void (*sum_rows)(int64_t rows, int64_t n, T* total, const T* x, int64_t ld);
  double (*dot)(int64_t n, const T* a, const T* b);
  void (*softmax_row)(int64_t n, T* y, const T* x);
  void (*log_softmax_row)(int64_t n, T* y, const T* x);
  void (*max_pool_pixel)(const Window&, int64_t C, T* y, uint8_t* argmax, const T* x);
  void (*max_pool_pick_pixel)(const Window&, int64_t C, T* y, const uint8_t* argmax, const T* x);
  void (*max_unpool_pixel)(const Covering&, int64_t C, T* dx, const uint8_t* argmax, const T* grad);
  void (*add_pooled_patches)(const PooledPatches<T>&, T* sums);
  void (*avg_pool_pixel)(const Window&, int64_t C, T scale, T* y, const T* x);
  void (*avg_unpool_pixel)(const Window&, int64_t C, T scale, T* dx, const T* grad);
  void (*batch_norm_moments)(int64_t rows, int64_t C, double* sum, double* squares, const T* x, const T* mean);
  void (*batch_norm_y)(int64_t rows, int64_t C, T* y, int64_t ld_y, const T* x, const Affine<T>&, bool add);
  void (*batch_norm_sums)(int64_t rows, int64_t C, double* sum_product, double* sum_grad, const T* grad,
                          int64_t ld_grad, const T* x, const Affine<T>&);
  void (*batch_norm_dx)(int64_t rows, int64_t C, T* dx, int64_t ld_dx, const T* grad, int64_t ld_grad, const T* x,
                        const Affine<T>&, const T* p, const T* q, const T* s);
  void (*relu_bias_grad)(int64_t rows, int64_t C, T* g, int64_t ld_g, double* total, const T* grad, int64_t ld_grad,
                         const T* y, int64_t ld_y);
  void (*dropout_mask)(int64_t n, T* y, T kept, uint32_t threshold, uint64_t seed, uint64_t stream, uint64_t first);
  void (*channel_window_sum)(int64_t C, int64_t half, T* y, const T* x);
  void (*sgd_update)(const SGDStep<T>&, int64_t n, T* weight, T* velocity, const T* grad);
  void (*adam_update)(const AdamStep<T>&, int64_t n, T* weight, T* m, T* v, const T* grad);
};

/// The table of the instruction set in use (see isa.h). T is float or double.
template <class T>
const Table<T>& table();

}  // namespace kindling::kernels
