// The two micro-kernels of convolution and of matrix products: tiles of a product that are kept in registers from the
// first to the last addition.
#pragma once

#include <cstdint>
#include <utility>

#include <kindling/tensor/kernels/simd.h>
#include <kindling/tensor/kernels/table.h>

namespace kindling::kernels {

/// Operands of `product_tile`. The rows of A are pixels (or rows of a matrix), wherever they lie. A
/// "segment" is a run of `depth` consecutive elements in every row of A: one tap of a convolution's
/// window, or one row of taps.
template <class T>
struct ProductTile {
  const T* a;  ///< element k of row r in segment s is a[segments[s] + r * lda + k]
  int64_t lda;
  const int64_t* segments;  ///< offsets, `segment_count` of them
  int64_t segment_count;
  int64_t depth;
  /// Packed: for each segment and k, one row of the tile's columns. Aligned as a vector.
  const T* b;
  const T* bias;  ///< added to every row, one per column; or null
  T* c;           ///< row r, column j: c[r * ldc + j]
  int64_t ldc;
  int64_t columns;  ///< how many of the tile's columns are stored
  bool relu;        ///< whether results below 0 become 0, before they leave the registers
  bool add;         ///< whether c is then added to, instead of set
  /// What a later tile reads and is not in cache yet, or null: for every k, one vector of it is
  /// fetched. Nothing is read there, so it may reach beyond the end of a tensor.
  const T* fetch = nullptr;
};

/// Operands of `outer_tile`, which sums over lines i and pixels k:
///   c[r, j] = [c[r, j] +] sum of a[i * line_a + k * lda + r] b[i * line_b + k * ldb + j]
template <class T>
struct OuterTile {
  const T* a;
  int64_t lda;
  const T* b;  ///< read for all of the tile's columns
  int64_t ldb;
  int64_t pixels;
  T* c;
  int64_t ldc;
  int64_t columns;  ///< how many of the tile's columns are stored
  bool add;         ///< whether c is added to, instead of set
  int64_t lines = 1, line_a = 0, line_b = 0;
  /// What a later tile reads and is not in cache yet, or null: for every pixel, the cache line of
  /// one element is fetched. These elements lie `fetch_step` apart. As in ProductTile.
  const T* fetch = nullptr;
  int64_t fetch_step = 0;
};

namespace {  // a copy of its own for each instruction set: see table.inc

/// Rows of the tiles with 1, 2, 3 and 4 vectors of columns; 0: not used. The accumulators (rows *
/// vectors), `vectors` of B and one broadcast of A fit into the registers: 32 with AVX-512, else
/// 16. That gives 24 or more accumulators, else 12. SSE2's 3 x 4 is the exception: a product takes
/// a register too, so two vectors of B stay, and two come from memory again for every row.
#if KINDLING_VECTOR_BYTES == 64
constexpr int kTileRows[kMaxTileVectors + 1] = {0, 24, 14, 8, 6};
#elif KINDLING_VECTOR_BYTES == 32
constexpr int kTileRows[kMaxTileVectors + 1] = {0, 12, 6, 4, 0};
#else
constexpr int kTileRows[kMaxTileVectors + 1] = {0, 12, 6, 4, 3};
#endif

// to[r, j] = [to[r, j] +] c[r, j].
template <class T, int Rows, int Vectors>
inline __attribute__((always_inline)) void store_tile(const typename Simd<T>::vector (&c)[Rows][Vectors], T* to,
                                                      int64_t ld, int64_t columns, bool add) {
  constexpr int L = kLanes<T>;
  if (columns == Vectors * L) {
#pragma GCC unroll 32
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        T* at = to + r * ld + v * L;
        store(at, add ? load(at) + c[r][v] : c[r][v]);
      }
    return;
  }
#pragma GCC unroll 32
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      const int64_t left = columns - v * L, n = left < L ? left : L;
      T* at = to + r * ld + v * L;
      if (n > 0) store_first(at, n, add ? load_first(at, n) + c[r][v] : c[r][v]);
    }
}

/// c[rows, columns] = [c +] [ReLU of] bias + sum over segments and k of a[r, k] b[k, j], as loops.
template <class T>
void naive_product_tile(int rows, int columns, const ProductTile<T>& t) {
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < columns && j < t.columns; ++j) {
      T total = t.bias != nullptr ? t.bias[j] : T(0);
      for (int64_t s = 0; s < t.segment_count; ++s)
        for (int64_t k = 0; k < t.depth; ++k)
          total += t.a[t.segments[s] + r * t.lda + k] * t.b[(s * t.depth + k) * columns + j];
      if (t.relu && total < 0) total = 0;
      t.c[r * t.ldc + j] = t.add ? t.c[r * t.ldc + j] + total : total;
    }
}

// Element k of every row, for loops that go through the rows within k. Left to itself the compiler keeps a register
// with the offset of each row; with more than 9 rows it runs out of them and loads half of the offsets for every k
// again. Here one pointer leads to 9 rows by four offsets, since x86 multiplies an offset by 2, 4 or 8 at no cost: ld
// gives the rows 1, 2, 4 and 8, 3 ld the rows 3 and 6, and the others are 5 ld and 7 ld.
template <class T, int Rows>
class RowReader {
 public:
  inline __attribute__((always_inline)) RowReader(const T* rows, int64_t ld)
      : ld1_(static_cast<intptr_t>(ld * static_cast<int64_t>(sizeof(T)))),
        ld3_(3 * ld1_),
        ld5_(5 * ld1_),
        ld7_(7 * ld1_) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) bases_[g] = reinterpret_cast<const char*>(rows + g * kGroup * ld);
    // From here on the compiler does not know that these values follow from one another.
    asm("" : "+r"(ld1_), "+r"(ld3_), "+r"(ld5_), "+r"(ld7_));
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) asm("" : "+r"(bases_[g]));
  }
  inline __attribute__((always_inline)) T operator[](int r) const {
    const intptr_t offsets[kGroup] = {0, ld1_, 2 * ld1_, ld3_, 4 * ld1_, ld5_, 2 * ld3_, ld7_, 8 * ld1_};
    return *reinterpret_cast<const T*>(bases_[r / kGroup] + offsets[r % kGroup]);
  }
  inline __attribute__((always_inline)) void next() {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) bases_[g] += sizeof(T);
  }

 private:
  static constexpr int kGroup = 9, kGroups = (Rows + kGroup - 1) / kGroup;
  intptr_t ld1_, ld3_, ld5_, ld7_;  // bytes
  const char* bases_[kGroups];
};
// Few rows: the compiler finds the addresses.
template <class T, int Rows>
requires(Rows <= 9) class RowReader<T, Rows> {
 public:
  inline __attribute__((always_inline)) RowReader(const T* rows, int64_t ld) : rows_(rows), ld_(ld) {}
  inline __attribute__((always_inline)) T operator[](int r) const { return rows_[r * ld_]; }
  inline __attribute__((always_inline)) void next() { ++rows_; }

 private:
  const T* rows_;
  int64_t ld_;
};

// product_tile with Rows x Vectors accumulators in registers. For every k it takes Vectors vectors of B, which all rows
// share, and broadcasts one element of A a row, which is shared by all vectors: Rows * Vectors multiply-adds for
// Rows + Vectors loads. A is read where it lies, because broadcasting does not care how far apart rows are; B is
// packed, so it comes as one stream.
template <class T, int Rows, int Vectors>
__attribute__((noinline)) void product_tile_fixed(const ProductTile<T>& t) {
  using V = typename Simd<T>::vector;
  constexpr int L = kLanes<T>;
  V c[Rows][Vectors];
#pragma GCC unroll 32
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) c[r][v] = t.bias != nullptr ? load(t.bias + v * L) : V{};
  const T* b = t.b;
  const T* fetch = t.fetch != nullptr ? t.fetch : t.b;  // to fetch what is there costs nothing
  const int64_t lda = t.lda, depth = t.depth;
  for (int64_t s = 0; s < t.segment_count; ++s) {
    RowReader<T, Rows> a(t.a + t.segments[s], lda);
    for (int64_t k = 0; k < depth; ++k, b += Vectors * L, fetch += L, a.next()) {
      __builtin_prefetch(fetch);
      V row[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) row[v] = load_aligned(b + v * L);
#pragma GCC unroll 32
      for (int r = 0; r < Rows; ++r) {
        const V pixel = broadcast(a[r]);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) c[r][v] += pixel * row[v];
      }
    }
  }
  if (t.relu) {
#pragma GCC unroll 32
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) c[r][v] = relu_of(c[r][v]);
  }
  store_tile<T>(c, t.c, t.ldc, t.columns, t.add);
}

/// c[r, j] = [c[r, j] +] sum over lines i and pixels k of a[i, k, r] b[i, k, j], as loops.
template <class T>
void naive_outer_tile(int rows, int columns, const OuterTile<T>& t) {
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < columns && j < t.columns; ++j) {
      T total = t.add ? t.c[r * t.ldc + j] : T(0);
      for (int64_t i = 0; i < t.lines; ++i)
        for (int64_t k = 0; k < t.pixels; ++k)
          total += t.a[i * t.line_a + k * t.lda + r] * t.b[i * t.line_b + k * t.ldb + j];
      t.c[r * t.ldc + j] = total;
    }
}

// outer_tile with Rows x Vectors accumulators in registers. For each pixel it loads Vectors vectors of b and broadcasts
// Rows neighbours of a. What c holds is added at the end: it comes from far away, and is fetched while the sum runs.
template <class T, int Rows, int Vectors>
__attribute__((noinline)) void outer_tile_fixed(const OuterTile<T>& t) {
  using V = typename Simd<T>::vector;
  constexpr int L = kLanes<T>;
  V c[Rows][Vectors];
#pragma GCC unroll 32
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      c[r][v] = V{};
      __builtin_prefetch(t.c + r * t.ldc + v * L);
    }
  const int64_t lda = t.lda, ldb = t.ldb, pixels = t.pixels;
  const T* fetch = t.fetch != nullptr ? t.fetch : t.b;
  const int64_t fetch_step = t.fetch != nullptr ? t.fetch_step : 0;
  for (int64_t i = 0; i < t.lines; ++i) {
    const T* a = t.a + i * t.line_a;
    const T* b = t.b + i * t.line_b;
    for (int64_t k = 0; k < pixels; ++k, a += lda, b += ldb, fetch += fetch_step) {
      __builtin_prefetch(fetch);
      V row[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) row[v] = load(b + v * L);
#pragma GCC unroll 32
      for (int r = 0; r < Rows; ++r) {
        const V element = broadcast(a[r]);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) c[r][v] += element * row[v];
      }
    }
  }
  store_tile<T>(c, t.c, t.ldc, t.columns, t.add);
}

// One function per number of rows, in a table: entry i is the tile with i + 1 rows.
template <class T, int Vectors, int... Row>
void run_product_tile(int rows, const ProductTile<T>& t, std::integer_sequence<int, Row...>) {
  static constexpr void (*kTiles[])(const ProductTile<T>&) = {product_tile_fixed<T, Row + 1, Vectors>...};
  kTiles[rows - 1](t);
}
template <class T, int Vectors, int... Row>
void run_outer_tile(int rows, const OuterTile<T>& t, std::integer_sequence<int, Row...>) {
  static constexpr void (*kTiles[])(const OuterTile<T>&) = {outer_tile_fixed<T, Row + 1, Vectors>...};
  kTiles[rows - 1](t);
}
template <int Vectors>
using RowCounts = std::make_integer_sequence<int, kTileRows[Vectors]>;

/// A tile of `rows` (1 to kTileRows[vectors]) x `vectors` vectors of columns.
template <class T>
void product_tile(int rows, int vectors, const ProductTile<T>& t) {
  if (vectors == 1) return run_product_tile<T, 1>(rows, t, RowCounts<1>{});
  if (vectors == 2) return run_product_tile<T, 2>(rows, t, RowCounts<2>{});
  if (vectors == 3) return run_product_tile<T, 3>(rows, t, RowCounts<3>{});
  if constexpr (kTileRows[4] > 0) run_product_tile<T, 4>(rows, t, RowCounts<4>{});
}

/// Likewise.
template <class T>
void outer_tile(int rows, int vectors, const OuterTile<T>& t) {
  if (vectors == 1) return run_outer_tile<T, 1>(rows, t, RowCounts<1>{});
  if (vectors == 2) return run_outer_tile<T, 2>(rows, t, RowCounts<2>{});
  if (vectors == 3) return run_outer_tile<T, 3>(rows, t, RowCounts<3>{});
  if constexpr (kTileRows[4] > 0) run_outer_tile<T, 4>(rows, t, RowCounts<4>{});
}

}  // namespace
}  // namespace kindling::kernels
