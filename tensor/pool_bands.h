// Max pooling of a map that is never whole: it is made by bands of rows, which are pooled while they are in L2.
// Internal to tensor/.
#pragma once

#include <algorithm>

#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/pool_geometry.h>

namespace kindling::detail {

// Of the map: a share of L2 (1 MiB on the machines measured), as kBandBytes in conv/direct.cpp.
inline constexpr int64_t kMapBytes = 256 << 10;

/// Calls make(image, first row, last row, to) for bands of rows [first, last) of the map, which it
/// must write to `to` [rows, W, C]. Pools them into values and argmax [N,H',W',C].
template <class T, class Make>
void max_pool_by_bands(const PoolGeometry& g, T* values, uint8_t* argmax, Make make) {
  const int64_t row = g.W * g.C, cuts = pieces_of_task(g.N, g.y[1]);
  const int64_t fitting = kMapBytes / std::max<int64_t>(row * static_cast<int64_t>(sizeof(T)), 1);
  const int64_t most = std::max({fitting, g.o.kernel.h, int64_t{1}});
  // The rows of the map that window i sees.
  const auto seen_from = [&](int64_t i) { return std::max<int64_t>(i * g.o.stride.h - g.o.padding.h, 0); };
  const auto seen_to = [&](int64_t i) { return std::min(i * g.o.stride.h - g.o.padding.h + g.o.kernel.h, g.H); };
  parallel_for(g.N * cuts, 1, [&](int64_t task, int64_t) {
    const int64_t n = task / cuts;
    const Range windows = part_of(g.y[1], task % cuts, cuts);
    Tensor buffer = Tensor::empty({std::min(most, g.H), row}, dtype_of<T>());
    T* const rows = buffer.data<T>();
    int64_t begin = 0, end = 0;  // of the rows in it
    for (int64_t i = windows.begin; i < windows.end;) {
      const int64_t from = seen_from(i);
      int64_t next = i + 1;
      while (next < windows.end && seen_to(next) - from <= most) ++next;
      const int64_t to = seen_to(next - 1), kept = std::max<int64_t>(end - from, 0);  // shared with the windows before
      if (kept > 0) std::copy_n(rows + (from - begin) * row, kept * row, rows);
      if (from + kept < to) make(n, from + kept, to, rows + kept * row);
      begin = from;
      end = std::max(to, from + kept);
      for (; i < next; ++i) max_pool_row<T>(g, n, i, values, argmax, rows, begin);
    }
  });
}

}  // namespace kindling::detail
