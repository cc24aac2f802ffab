// Blocks for each level of the caches, as Goto and van de Geijn have them ("Anatomy of High-Performance Matrix
// Multiplication", ACM TOMS 34, 2008). A block of rows of a is packed and stays in L2. Then panel after panel of b,
// each as wide as a micro-kernel's tile, is packed and meets all of these rows, piece of k after piece: so the panel's
// part of c stays near too, and comes from far away once for a block. Rows are packed as they are, but close together:
// in a matrix whose rows are a power of two apart they would fall into few sets of the caches. What is used once is not
// packed. Panels that three blocks of rows or more meet are packed once for all, unless together they are very large;
// so are panels that fit into half of L2, if several tasks meet them.
#include <kindling/tensor/gemm.h>

#include <algorithm>

#include <kindling/tensor/kernels/cache.h>
#include <kindling/tensor/kernels/tile.h>
#include <kindling/tensor/panels.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {
namespace {

// Of k, what a tile sums up before it is stored, and what a block of a holds, a multiple of it. The first decides the
// bits, the second, like everything below, only the speed. A tile's rows of a stay in L1 (6 KiB), its panel in L2 (64
// KiB with AVX-512). (Other depths made no difference on a Zen 5.)
constexpr int64_t kDepthBytes = 1024, kBlockDepthBytes = 4 * kDepthBytes;
// A block of a takes L2 divided by this; the rest is for b, c and what they bring with them.
constexpr int64_t kShareOfL2 = 2;
// With so many rows, packing a panel takes about a quarter of the time that multiplying it takes (a tenth with 126
// rows); with fewer, more.
constexpr int64_t kFewestRows = 48;
// Blocks of rows from which on panels are packed once for all. (1024^3 on two cores of a Zen 5, whose blocks have 126
// rows: 0.70 of peak when every block packs them, 0.85 when they are packed once. 384^3, with two blocks: 0.46 and
// 0.36.)
constexpr int64_t kFewestBlocks = 3;
// The most bytes of packed panels. Each product that is computed at the time may take so many. (4096 x 4096 floats.)
constexpr int64_t kMostPacked = int64_t{64} << 20;
// Tasks for each thread, so that no thread waits long for the last ones. Not tuned.
constexpr int64_t kTasksOfThread = 4;
// Between packed rows of a, so that those of a tile lie in different sets of L1.
constexpr int64_t kGapBytes = 64;

template <class T>
class Gemm {
 public:
  Gemm(int64_t m, int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add,
       bool symmetric = false)
      : panels_(kernel_, n), m_(m), k_(k), a_(a), b_(b), c_(c), ldc_(ldc), add_(add), symmetric_(symmetric) {}

  void run() {
    const int64_t wanted = tasks_here(kTasksOfThread * num_threads());
    // Rows are cut into blocks anyway; then panels, and if there are few, rows again.
    const int64_t blocks = ceil_div(m_, rows_of_block());
    int64_t row_cuts = std::min(wanted, blocks);
    const int64_t panel_cuts = std::min(panels_.count, ceil_div(wanted, row_cuts));
    row_cuts = std::max(row_cuts, std::min(wanted / panel_cuts, m_ / kFewestRows));
    const int64_t packed_bytes = panels_.width() * k_ * kBytes;
    const bool small = packed_bytes <= kernels::l2_bytes() / kShareOfL2;
    if (blocks >= kFewestBlocks ? packed_bytes <= kMostPacked : small && row_cuts > 1)
      all_panels_ = pack_panels(panels_, b_, k_);
    parallel_for(row_cuts * panel_cuts, 1, [&](int64_t task, int64_t) {
      const Range rows = part_of(m_, task % row_cuts, row_cuts);
      const Range panels = part_of(panels_.count, task / row_cuts, panel_cuts);
      for_each_piece(rows.size(), rows_of_block(), [&](int64_t row, int64_t size) {
        run_block({rows.begin + row, rows.begin + row + size}, panels);
      });
    });
    if (symmetric_) mirror();
  }

 private:
  int64_t rows_of_block() const {
    return std::max(kernels::l2_bytes() / kShareOfL2 / (packed_ld() * kBytes), kFewestRows);
  }
  int64_t packed_ld() const { return std::min(kBlockDepth, k_) + kGap; }

  // Rows and panels of c.
  void run_block(const Range& block_rows, const Range& panels) const {
    const Range rows = rows_of(block_rows, panels.end - 1);
    if (rows.size() == 0) return;
    // Rows a multiple of a page apart would all fall into one set of L1.
    const bool in_place = !a_.transposed && panels.size() == 1 && a_.ld * kBytes % kPage != 0;
    Tensor packed_rows, packed_panel;
    if (!in_place) packed_rows = Tensor::empty({rows.size() * packed_ld()}, dtype_of<T>());
    if (!all_panels_.defined()) packed_panel = Tensor::empty({std::min(kDepth, k_) * panels_.columns}, dtype_of<T>());
    for (int64_t first = 0; first < k_; first += kBlockDepth) {
      const Range block{first, std::min(first + kBlockDepth, k_)};
      Matrix<T> a = a_.from(rows.begin, first);
      if (!in_place) {
        pack_a(a, rows.size(), block.size(), packed_rows.data<T>(), packed_ld());
        a = {packed_rows.data<T>(), packed_ld()};
      }
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        const int64_t size = rows_of(rows, panel).size();
        for (int64_t k = block.begin; k < block.end; k += kDepth) {
          const int64_t depth = std::min(kDepth, block.end - k);
          const T* b = packed_panel_at(panel, k);
          if (b == nullptr) {
            pack_panel(panels_, panel, b_.from(k, first_column(panel)), depth, packed_panel.data<T>());
            b = packed_panel.data<T>();
          }
          const T* const next_b = next_piece(panel, panels.end, k, block);
          FetchAhead<T> next(next_b, next_b != nullptr ? kDepth * panels_.columns : 0);
          T* const c = c_ + rows.begin * ldc_ + first_column(panel);
          for_each_piece(size, panels_.max_rows, [&](int64_t row, int64_t count) {
            kernel_.product_tile(static_cast<int>(count), panels_.vectors,
                                 {.a = a.data + row * a.ld + k - first,
                                  .lda = a.ld,
                                  .segments = &kStart,
                                  .segment_count = 1,
                                  .depth = depth,
                                  .b = b,
                                  .bias = nullptr,
                                  .c = c + row * ldc_,
                                  .ldc = ldc_,
                                  .columns = panels_.used_columns(panel),
                                  .relu = false,
                                  .add = add_ || k > 0,
                                  .fetch = next.take(depth * kernel_.lanes)});
          });
        }
      }
    }
  }

  // Of these rows, those that have to be computed in the panel's columns: more from panel to panel.
  Range rows_of(const Range& rows, int64_t panel) const {
    const int64_t end = symmetric_ ? first_column(panel) + panels_.used_columns(panel) : rows.end;
    return {rows.begin, std::clamp(end, rows.begin, rows.end)};
  }
  int64_t first_column(int64_t panel) const { return panel * panels_.columns; }

  // Copies what lies above each panel's square on the diagonal to the rows that begin there.
  void mirror() const {
    parallel_for(panels_.count, 1, [&](int64_t panel, int64_t) {
      const int64_t first = first_column(panel);
      kernel_.transpose_rows(first, panels_.used_columns(panel), c_ + first * ldc_, ldc_, c_ + first, ldc_);
    });
  }

  // Where the panel is packed from k on, if all are; else null.
  const T* packed_panel_at(int64_t panel, int64_t k) const {
    return all_panels_.defined() ? all_panels_.data<T>() + (panel * k_ + k) * panels_.columns : nullptr;
  }

  // The piece of a panel that is multiplied next, if all are packed: it comes from L3.
  const T* next_piece(int64_t panel, int64_t last_panel, int64_t k, const Range& block) const {
    if (k + kDepth < block.end) return packed_panel_at(panel, k + kDepth);
    return panel + 1 < last_panel ? packed_panel_at(panel + 1, block.begin) : nullptr;
  }

  void pack_a(const Matrix<T>& a, int64_t rows, int64_t depth, T* to, int64_t ld) const {
    if (a.transposed)
      kernel_.transpose_rows(depth, rows, to, ld, a.data, a.ld);
    else
      kernel_.copy_rows(rows, depth, to, ld, a.data, a.ld);
  }

  static constexpr int64_t kBytes = sizeof(T), kDepth = kDepthBytes / kBytes, kBlockDepth = kBlockDepthBytes / kBytes,
                           kGap = kGapBytes / kBytes;
  static constexpr int64_t kStart = 0, kPage = 4096;

  static_assert(kBlockDepth % kDepth == 0);

  const kernels::Table<T>& kernel_ = kernels::table<T>();
  Panels panels_;
  int64_t m_, k_;
  Matrix<T> a_, b_;
  T* c_;
  int64_t ldc_;
  bool add_, symmetric_;
  Tensor all_panels_;  // [panel][k][columns], or undefined
};

}  // namespace

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add) {
  if (m == 0 || n == 0) return;
  if (k > 0) return Gemm<T>(m, n, k, a, b, c, ldc, add).run();
  for (int64_t row = 0; row < m && !add; ++row) std::fill_n(c + row * ldc, n, T(0));
}

template <class T>
void symmetric_gemm(int64_t n, int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c, int64_t ldc, bool add) {
  if (k == 0) return gemm(n, n, k, a, b, c, ldc, add);
  if (n > 0) Gemm<T>(n, n, k, a, b, c, ldc, add, /*symmetric=*/true).run();
}

template void symmetric_gemm(int64_t, int64_t, const Matrix<float>&, const Matrix<float>&, float*, int64_t, bool);
template void symmetric_gemm(int64_t, int64_t, const Matrix<double>&, const Matrix<double>&, double*, int64_t, bool);
template void gemm(int64_t, int64_t, int64_t, const Matrix<float>&, const Matrix<float>&, float*, int64_t, bool);
template void gemm(int64_t, int64_t, int64_t, const Matrix<double>&, const Matrix<double>&, double*, int64_t, bool);

}  // namespace kindling::detail
