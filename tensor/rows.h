// A channels-last tensor as rows of channels, which may lie apart: a slice of channels of a larger one. Internal to
// tensor/.
#pragma once

#include <algorithm>

#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {

// Rows of a channels-last tensor are cut into blocks of this many elements, by the shape alone.
inline constexpr int64_t kBlockElements = 65536;

/// Whether all rows of the last axis have no gaps and are equally far apart.
inline bool has_rows(const Tensor& x) {
  if (x.is_contiguous()) return x.rank() > 0;
  if (x.rank() < 2 || x.strides()[x.rank() - 1] != 1) return false;
  for (int64_t axis = x.rank() - 3; axis >= 0; --axis)
    if (x.strides()[axis] != x.strides()[axis + 1] * x.size(axis + 1)) return false;
  return true;
}
/// x, copied if it has no such rows.
inline Tensor with_rows(const Tensor& x) { return has_rows(x) ? x : x.contiguous(); }
/// How far apart they lie.
inline int64_t row_stride(const Tensor& x) { return x.is_contiguous() ? x.size(-1) : x.strides()[x.rank() - 2]; }

struct RowBlocks {
  RowBlocks(const char* op, const Tensor& x) : channels(x.rank() == 0 ? 0 : x.size(-1)) {
    check(channels > 0 && x.numel() > 0, op, "needs [..., C] with at least one element, got ", x.shape());
    count = x.numel() / channels;
    block = std::max<int64_t>(1, kBlockElements / channels);
  }
  int64_t blocks() const { return ceil_div(count, block); }

  // Calls f(first row, rows, block number) on all threads.
  template <class F>
  void for_each_block(F f) const {
    parallel_for(blocks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) f(b * block, std::min(block, count - b * block), b);
    });
  }

  int64_t channels, count, block;
};

/// to[r * ld + j] = 0 for r < rows and j < n.
template <class T>
void fill_zeros(int64_t rows, int64_t n, T* to, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) std::fill_n(to + r * ld, n, T(0));
}

}  // namespace kindling::detail
