// Walking several strided tensors of one shape together, run by run. Internal to tensor/.
#pragma once

#include <algorithm>
#include <array>

#include <kindling/tensor/kernels/tasks.h>
#include <kindling/tensor/shape.h>

namespace kindling {
class Tensor;
}

namespace kindling::detail {

/// target = source, converted to target's dtype; both of one shape. Counts as no write.
void copy_elements(Tensor& target, const Tensor& source);

/// Elements of one task of an elementwise loop: enough to hide the cost of starting it, and few
/// enough that its operands stay in L2.
inline constexpr int64_t kElementGrain = 16384;

/// K operands of one shape, each with its strides (0 where it is broadcast). Axes that can be
/// walked as one are merged, which makes the innermost runs as long as possible.
template <size_t K>
class StridedLoop {
 public:
  StridedLoop(const Shape& shape, const std::array<Strides, K>& strides) {
    for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
      if (shape[axis] == 1) continue;
      if (sizes_.rank() > 0 && can_merge(strides, axis)) {
        sizes_[sizes_.rank() - 1] *= shape[axis];
        continue;
      }
      sizes_.push_back(shape[axis]);
      for (size_t k = 0; k < K; ++k) strides_[k].push_back(strides[k][axis]);
    }
    if (sizes_.rank() == 0) {
      sizes_.push_back(1);
      for (auto& operand : strides_) operand.push_back(1);
    }
    numel_ = shape.numel();
  }

  /// Calls f(n, offsets) for runs of n elements. The elements of operand k are at offsets[k] + i *
  /// stride(k). How runs are cut and given to threads depends on the shape alone.
  template <class F>
  void for_each_run(F f) const {
    if (numel_ == 0) return;
    const int64_t inner = sizes_[0], outer = numel_ / inner;
    const int64_t pieces = ceil_div(inner, kElementGrain);
    const int64_t grain = std::max<int64_t>(1, kElementGrain / std::min(inner, kElementGrain));
    parallel_for(outer * pieces, grain, [&](int64_t begin, int64_t end) {
      Position position(*this, begin / pieces);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task % pieces * kElementGrain;
        std::array<int64_t, K> offsets = position.offsets;
        for (size_t k = 0; k < K; ++k) offsets[k] += first * strides_[k][0];
        f(std::min(kElementGrain, inner - first), offsets);
        if (task % pieces == pieces - 1) position.advance(*this);
      }
    });
  }

  int64_t stride(size_t operand) const { return strides_[operand][0]; }

 private:
  // Axes are kept innermost first.
  struct Position {
    Position(const StridedLoop& loop, int64_t run) {
      for (int64_t axis = 1; axis < loop.sizes_.rank(); ++axis) {
        index.push_back(run % loop.sizes_[axis]);
        run /= loop.sizes_[axis];
        for (size_t k = 0; k < K; ++k) offsets[k] += index.back() * loop.strides_[k][axis];
      }
    }
    void advance(const StridedLoop& loop) {
      for (int64_t axis = 1; axis < loop.sizes_.rank(); ++axis) {
        for (size_t k = 0; k < K; ++k) offsets[k] += loop.strides_[k][axis];
        if (++index[axis - 1] < loop.sizes_[axis]) return;
        for (size_t k = 0; k < K; ++k) offsets[k] -= loop.sizes_[axis] * loop.strides_[k][axis];
        index[axis - 1] = 0;
      }
    }
    Shape index;
    std::array<int64_t, K> offsets{};
  };

  bool can_merge(const std::array<Strides, K>& strides, int64_t axis) const {
    const int64_t last = sizes_.rank() - 1;
    for (size_t k = 0; k < K; ++k)
      if (strides[k][axis] != strides_[k][last] * sizes_[last]) return false;
    return true;
  }

  Shape sizes_;
  std::array<Strides, K> strides_;
  int64_t numel_;
};

}  // namespace kindling::detail
