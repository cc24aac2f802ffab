// The gradient of one batch, computed on all cores.
#pragma once

#include <cstdint>
#include <vector>

#include <kindling/nn/module.h>
#include <kindling/tensor/function_ref.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>

namespace kindling {

/// How a batch is cut: into consecutive micro-batches of `micro_batch` samples, which `slots` lanes
/// take in turn. A lane runs its micro-batches in order, on one thread at a time, and every
/// operation inside is serial. With one slot the whole batch is one part, and the operations
/// themselves use the threads. The plan depends on the model and the batch's shape alone. So the
/// bits do not depend on the number of threads.
struct StepPlan {
  int64_t micro_batch = 1;
  int64_t slots = 1;
};

/// Chooses the plan for batches of `batch_size` samples like `sample` (an input without the batch
/// axis).
///
/// A model with buffers in training mode gets one slot, because batch statistics need the whole
/// batch. Others get the most lanes, up to 8, whose gradients take at most 1.5 times the bytes of
/// the batch's activations: LeNet with 64 images gets 4, AlexNet one slot. The parts are as large
/// as the number of lanes and a bound on their memory allow.
///
/// `micro_batch` > 0 fixes the size of a part. Throws ShapeError if that would cut the batch of a
/// model with buffers in training mode.
StepPlan plan_step(Module& model, const Tensor& sample, int64_t batch_size, int64_t micro_batch = 0);

/// How many parts a batch of so many samples has.
int64_t part_count(const StepPlan& plan, int64_t samples);
/// Calls f(part, begin, end) for the samples of each part, on all threads. With one slot there is
/// one part, called outside of parallel_for, so that the operations use the threads.
void for_each_part(const StepPlan& plan, int64_t samples,
                   FunctionRef<void(int64_t part, int64_t begin, int64_t end)> f);

/// Adds up gradients over one or more batches (gradient accumulation, Caffe's iter_size).
class GradientStep {
 public:
  /// Computes the gradients of those parameters of `model` that require one now.
  GradientStep(Module& model, Loss loss, StepPlan plan);

  /// Forward, loss and backward of one batch: input [N, ...], target [N, ...]. `number` is the
  /// batch's number in the whole training. Dropout masks depend on it and on the sample's place in
  /// the batch. The totals have no metrics. The first batch after finish() removes the parameters'
  /// grad(), to make room. If add() throws, all batches since then are forgotten.
  Totals add(const Tensor& input, const Tensor& target, uint64_t number);
  /// Sets each parameter's grad() to the gradient of the mean loss over all samples since the last
  /// finish(). A parameter that the loss does not depend on gets none.
  void finish();
  /// Whether all samples between the last two calls of finish() had the same output, bit for bit,
  /// though at least two of them differed.
  bool same_output() const { return same_output_; }
  /// Forgets the batches added since the last finish().
  void reset();

  /// Runs a batch as add() does, but one part after the other in anomaly mode. Throws Error with
  /// the first operation, and its layer, whose result or gradient has a NaN or Inf. Use it for a
  /// batch whose loss or gradient had one, and call reset() afterwards.
  void find_nonfinite(const Tensor& input, const Tensor& target, uint64_t number);

 private:
  struct Batch {
    const Tensor &input, &target;
    uint64_t number;
  };

  int64_t count_parts(const Batch& batch) const;
  Totals run_parts(const Batch& batch);
  Totals run_part(int64_t part, const Batch& batch);
  void compare(size_t slot, const Tensor& input, const Tensor& output);

  /// Samples, of which only the first and whether others differ is kept.
  struct Seen {
    Tensor first;  ///< undefined: none yet
    bool differ = false;
    void add(const Tensor& samples);
    void add(const Seen& other);
  };
  /// What a lane has seen. Inputs are compared only as long as the outputs are the same.
  struct Lane {
    Seen inputs, outputs;
  };

  Module& model_;
  Loss loss_;
  StepPlan plan_;
  Variables parameters_;
  std::vector<std::vector<Tensor>> sums_;  ///< [slot][parameter]; undefined where nothing has come yet
  std::vector<Lane> lanes_;                ///< [slot]
  bool same_output_ = false;
  double unit_ = 0;    ///< weight by which sums_ are divided: that of the first batch
  double weight_ = 0;  ///< of all samples so far
};

}  // namespace kindling
