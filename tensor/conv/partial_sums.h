// Sums over pixels, cut into parts for several threads. Internal to tensor/.
#pragma once

#include <kindling/tensor/kernels/table.h>
#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/tensor.h>

namespace kindling::detail {

/// The most parts of a sum: work for eight threads. Not tuned.
inline constexpr int64_t kMaxParts = 8;
/// Pixels of a part at least. Not tuned.
inline constexpr int64_t kPartPixels = 2048;
/// Into how many parts a sum of `terms` is cut, each of at least `least`: by the shape alone. Each
/// part costs one more pass over the weights.
inline int64_t sum_parts(int64_t terms, int64_t least) { return std::clamp<int64_t>(terms / least, 1, kMaxParts); }

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
    constexpr int64_t kElements = 4096;  // of a task; not tuned
    parallel_for(size_, kElements, [&](int64_t begin, int64_t end) {
      kernels::table<T>().sum_rows(parts_ - 1, end - begin, result_ + begin, part(1) + begin, size_);
    });
  }

 private:
  int64_t parts_, size_;
  T* result_;
  Tensor others_;
};

}  // namespace kindling::detail
