// How a batch is cut, in training, evaluation and benchmarks alike.
#pragma once

#include <cstdint>
#include <vector>

#include <kindling/nn/module.h>
#include <kindling/tensor/function_ref.h>

namespace kindling {

/// A batch is cut into consecutive micro-batches of `micro_batch` samples. `lanes` lanes take them
/// in turn. A lane runs its micro-batches in order, on one thread at a time, and every
/// operation inside is serial. With one lane the parts (usually one, the whole batch) run one
/// after the other, and the operations themselves use the threads. The plan depends on the model
/// and the batch's shape alone. So the bits do not depend on the number of threads.
struct StepPlan {
  int64_t micro_batch = 1;
  int64_t lanes = 1;
};

/// Chooses the plan for batches of `batch_size` samples like `sample` (an input without the batch
/// axis).
///
/// A model with a layer in training mode that has buffers gets one lane, because batch statistics
/// need the whole batch. Of others, the gradients of all lanes may take at most 1.5 times the bytes
/// of the batch's activations: LeNet with 64 images gets 4 lanes, AlexNet one. The batch is cut
/// into as many parts as lanes are allowed, at most 8, and into smaller ones where a part would
/// take too much memory. Every part gets a lane, up to the number allowed, at most 16.
///
/// `micro_batch` > 0 fixes the size of a part, but not the number of lanes allowed. Throws
/// ShapeError if that would cut the batch of a model that gets one lane for its buffers.
StepPlan plan_step(Module& model, const Tensor& sample, int64_t batch_size, int64_t micro_batch = 0);

/// The samples [begin, end) of a batch.
struct BatchPart {
  int64_t index = 0;  ///< among the parts of the batch
  int64_t begin = 0, end = 0;

  /// These samples of `batch` [N, ...].
  Tensor of(const Tensor& batch) const { return batch.slice(0, begin, end); }
};

/// The parts of a batch of so many samples, in order.
std::vector<BatchPart> cut_batch(const StepPlan& plan, int64_t samples);
/// Calls f(part) for each part, on all threads. With one lane it is called outside of parallel_for,
/// so that the operations use the threads.
void for_each_part(const StepPlan& plan, int64_t samples, FunctionRef<void(const BatchPart& part)> f);

}  // namespace kindling
