// The gradient of one batch, computed on all cores.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <kindling/nn/module.h>
#include <kindling/train/loss.h>
#include <kindling/train/metrics.h>
#include <kindling/train/step_plan.h>

namespace kindling {

class LaneGradients;

/// Adds up gradients over one or more batches (gradient accumulation, Caffe's iter_size).
class GradientStep {
 public:
  /// Computes the gradients of those parameters of `model` that require one now.
  GradientStep(Module& model, Loss loss, StepPlan plan);
  ~GradientStep();

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

  Totals run_parts(const Batch& batch);
  /// The lane that a part belongs to.
  int64_t lane_of(const BatchPart& part) const { return part.index % plan_.lanes; }
  Totals run_part(const BatchPart& part, const Batch& batch);
  void compare(int64_t lane, const Tensor& input, const Tensor& output);

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
  std::unique_ptr<LaneGradients> gradients_;
  std::vector<Lane> lanes_;
  bool same_output_ = false;
  double unit_ = 0;    ///< weight by which gradients_ are divided: that of the first batch
  double weight_ = 0;  ///< of all samples so far
};

}  // namespace kindling
