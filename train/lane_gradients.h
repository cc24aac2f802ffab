// The gradients of lanes (step_plan.h) and their sum.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// Sums the gradients of lanes that run on several threads: those of lane 0, plus those of lane 1,
/// and so on. The order is fixed, and so are the bits. But a lane is added as soon as its turn has
/// come, while others still run. So the next lane can mostly reuse its memory. If
/// an exception ends a batch, call reset().
class LaneGradients {
 public:
  LaneGradients(int64_t lanes, int64_t parameters);

  /// What the running lane adds its gradients to: one tensor per parameter, undefined until the
  /// first. Lane 0 adds to the sum itself.
  std::vector<Tensor>& of(int64_t lane) { return lanes_[static_cast<size_t>(lane)]; }
  /// Says that a lane has nothing more to add for this batch.
  void set_done(int64_t lane);
  /// Adds the lanes whose turn has come, unless another thread is doing so.
  void add_done();
  /// Adds the lanes that are left, on all threads. Then the lanes can run for another batch.
  void finish_batch();

  /// The sum over all batches. A parameter without a gradient has an undefined tensor.
  std::vector<Tensor>& sum() { return lanes_.front(); }
  /// Forgets all gradients.
  void reset();

 private:
  void add_rest();
  void add(size_t lane, size_t parameter);

  std::vector<std::vector<Tensor>> lanes_;  ///< [lane][parameter]
  std::mutex mutex_;                        ///< guards the rest while lanes run
  std::vector<bool> done_;
  size_t next_ = 0;      ///< the lane whose turn it is
  bool adding_ = false;  ///< some thread is
};

}  // namespace kindling
