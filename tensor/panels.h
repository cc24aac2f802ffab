// Cutting products into the tiles of kernels/tile.h. Internal to tensor/.
#pragma once

#include <algorithm>
#include <cstdint>

#include <kindling/tensor/gemm.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/rows.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {

// How the columns of a product are cut into panels of `vectors` vectors, the width of a micro-kernel's tile.
struct Panels {
  template <class T>
  Panels(const kernels::Table<T>& kernel, int64_t channels) : channels(channels) {
    // Tiles with more columns do more multiply-adds a load, but may leave more columns of the last panel unused. Shares
    // of peak of tiles with 0, 1, ... vectors of columns, about, measured with the first kernels (2026-11-24).
    constexpr double kEfficiency[kernels::kMaxTileVectors + 1] = {0, 0.80, 0.95, 1.0, 1.0};
    const int64_t needed = ceil_div(channels, kernel.lanes);
    double best = 0;
    for (int v = kernels::kMaxTileVectors; v >= 1; --v) {
      const double used = static_cast<double>(needed) / static_cast<double>(round_up(needed, v));
      if (kernel.tile_rows[v] == 0 || used * kEfficiency[v] <= best) continue;
      best = used * kEfficiency[v];
      vectors = v;
    }
    columns = vectors * kernel.lanes;
    max_rows = kernel.tile_rows[vectors];
    count = ceil_div(channels, columns);
  }
  int64_t used_columns(int64_t panel) const { return std::min(columns, channels - panel * columns); }

  /// Of all panels together.
  int64_t width() const { return count * columns; }

  int64_t channels, columns, count;
  int vectors = 1, max_rows;
};

// Copies `rows` rows of b, from the first column of a panel on, for product_tile: to[row, column], with zeros in
// columns that the panel does not use.
template <class T>
void pack_panel(const Panels& panels, int64_t panel, const Matrix<T>& b, int64_t rows, T* to) {
  const kernels::Table<T>& kernel = kernels::table<T>();
  const int64_t used = panels.used_columns(panel), ld = panels.columns;
  if (b.transposed)
    kernel.transpose_rows(used, rows, to, ld, b.data, b.ld);
  else
    kernel.copy_rows(rows, used, to, ld, b.data, b.ld);
  if (used < ld) fill_zeros(rows, ld - used, to + used, ld);
}

// Rows of b as panels: [panel][row][column].
template <class T>
Tensor pack_panels(const Panels& panels, const Matrix<T>& b, int64_t rows) {
  constexpr int64_t kRows = 256;  // of a task
  Tensor packed = Tensor::empty({panels.count, rows, panels.columns}, dtype_of<T>());
  const int64_t pieces = ceil_div(rows, kRows);
  parallel_for(panels.count * pieces, 1, [&](int64_t i, int64_t) {
    const int64_t panel = i / pieces, row = i % pieces * kRows;
    pack_panel(panels, panel, b.from(row, panel * panels.columns), std::min(kRows, rows - row),
               packed.data<T>() + (panel * rows + row) * panels.columns);
  });
  return packed;
}

// Memory that later tiles will read, dealt out to the tiles before them, which fetch it.
template <class T>
class FetchAhead {
 public:
  FetchAhead(const T* begin, int64_t elements) : begin_(begin), elements_(elements) {}
  // Where the next `elements` begin, or null: all have been dealt out.
  const T* take(int64_t elements) {
    if (taken_ >= elements_) return nullptr;
    const T* const from = begin_ + taken_;
    taken_ += elements;
    return from;
  }

 private:
  const T* begin_;
  int64_t elements_, taken_ = 0;
};

}  // namespace kindling::detail
