// Cutting products into the tiles of kernels/tile.h. Internal to tensor/.
#pragma once

#include <algorithm>
#include <cstdint>

#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {

/// A convolution with enough rows is cut into at least this many tasks, so that one image also
/// keeps several cores busy.
inline constexpr int64_t kMinTasks = 8;
/// Sums over pixels (or tiles) are cut into parts of at least this many. Each part costs one more
/// pass over the weights.
inline constexpr int64_t kPartPixels = 2048;
inline int64_t sum_parts(int64_t terms, int64_t least) {
  constexpr int64_t kMaxParts = 8;
  return std::clamp<int64_t>(terms / least, 1, kMaxParts);
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

/// Number i of n nearly equal parts of [0, size).
inline Range part_of(int64_t size, int64_t i, int64_t n) { return {i * size / n, (i + 1) * size / n}; }

// How the columns of a product are cut into panels of `vectors` vectors, the width of a micro-kernel's tile.
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
  for (int64_t i = 0; i < pieces; ++i) {
    const Range piece = part_of(n, i, pieces);
    f(piece.begin, piece.size());
  }
}

// A sum of `size` elements that is taken in parts, fixed by the shape, so that threads can work on them: part 0 in the
// result itself, the others beside it, added to it in order.
template <class T>
class PartialSums {
 public:
  PartialSums(int64_t parts, int64_t size, T* result)
      : parts_(parts),
        size_(size),
        result_(result),
        others_(parts > 1 ? Tensor::empty({parts - 1, size}, dtype_of<T>()) : Tensor()) {}

  T* part(int64_t i) { return i == 0 ? result_ : others_.data<T>() + (i - 1) * size_; }
  void finish() {
    if (parts_ == 1) return;
    parallel_for(size_, 4096, [&](int64_t begin, int64_t end) {
      kernels::table<T>().sum_rows(parts_ - 1, end - begin, result_ + begin, part(1) + begin, size_);
    });
  }

 private:
  int64_t parts_, size_;
  T* result_;
  Tensor others_;
};

}  // namespace kindling::detail
