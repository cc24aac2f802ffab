#include <kindling/train/step.h>

#include <algorithm>
#include <numeric>

#include <kindling/nn/dropout.h>
#include <kindling/nn/observer.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/storage.h>

namespace kindling {
namespace {

// Lanes share out evenly over 1, 2, 4 and 8 threads, and nearly so over 3, 5 to 7; more would add up more copies of the
// gradient for nothing.
constexpr int64_t kSlots = 8;
// Of all lanes' gradients, in bytes for each of the batch's activations: LeNet, batch 64, has 1.3 in four lanes (5.6 ms
// a step, whole 6.3, two EPYC cores), AlexNet 2 in two lanes (865 ms, whole 823).
constexpr double kMostGradient = 1.5;
// Activations of one micro-batch. Small images cost less together, as the weights' gradient is written once for all of
// them: squeezenet_cifar, batch 128, two EPYC cores: 146, 129 and 126 ms a step for bounds of 8, 16 and 43 MiB. To
// squeezenet1_1 at 224 pixels it makes no difference (457, 463 and 457 ms), except to its memory, which every thread
// needs once: 156 MB in parts of one image, 507 MB in parts of four.
constexpr int64_t kMicroBatchBytes = int64_t{16} << 20;

/// Bytes that a model's layers put out for one sample, by their shapes. How they are run, several
/// in one pass or into one tensor, must not matter: the cut of a batch decides the order of sums,
/// and so the bits.
int64_t activation_bytes(Module& model, const Tensor& sample) {
  int64_t bytes = 0;
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  const CallObserver observer([&](Module& layer, const std::string&, const Variable& x, const Variable& y) {
    const bool passes_on = y.value().storage() == x.value().storage();  // dropout in evaluation, Flatten
    if (!layer.has_parts() && !passes_on) bytes += y.numel() * size_of(y.dtype());
  });
  model(sample.unsqueeze(0));
  return std::max<int64_t>(bytes, 1);
}

int64_t parameter_bytes(Module& model) {
  int64_t bytes = 0;
  for (const Variable& parameter : model.parameters()) bytes += parameter.numel() * size_of(parameter.dtype());
  return bytes;
}

int64_t parts_of(int64_t samples, int64_t micro_batch) { return (samples + micro_batch - 1) / micro_batch; }

StepPlan cut(int64_t batch_size, int64_t micro_batch, int64_t slots) {
  return {.micro_batch = micro_batch, .slots = std::min(slots, parts_of(batch_size, micro_batch))};
}

/// Sums neighbours, then sums of neighbours, and so on, into the first.
Tensor sum_tree(std::vector<Tensor>& terms) {
  for (size_t distance = 1; distance < terms.size(); distance *= 2)
    for (size_t i = 0; i + distance < terms.size(); i += 2 * distance) terms[i].add_(terms[i + distance]);
  return terms.front();
}

}  // namespace

StepPlan plan_step(Module& model, const Tensor& sample, int64_t batch_size, int64_t micro_batch) {
  check(batch_size > 0 && micro_batch >= 0, "plan_step", "batch of ", batch_size, ", micro-batches of ", micro_batch);
  const StepPlan whole{.micro_batch = batch_size, .slots = 1};
  const std::vector<NamedBuffer> buffers = model.named_buffers();
  const bool whole_only = model.training() && !buffers.empty();
  if (micro_batch > 0) {
    check(!whole_only || micro_batch >= batch_size, "plan_step", "micro-batches of ", micro_batch,
          " would change the batch statistics that ", whole_only ? buffers.front().name : "",
          " is computed from: leave micro_batch at 0");
    return cut(batch_size, std::min(micro_batch, batch_size), kSlots);
  }
  if (whole_only || batch_size == 1) return whole;

  const int64_t activations = activation_bytes(model, sample);
  const double most_gradients = kMostGradient * static_cast<double>(batch_size * activations) /
                                static_cast<double>(std::max<int64_t>(parameter_bytes(model), 1));
  int64_t slots = kSlots;
  while (static_cast<double>(slots) > most_gradients) slots /= 2;
  if (slots < 2) return whole;
  return cut(batch_size, std::clamp<int64_t>(kMicroBatchBytes / activations, 1, parts_of(batch_size, slots)), slots);
}

GradientStep::GradientStep(Module& model, Loss loss, StepPlan plan)
    : model_(model),
      loss_(std::move(loss)),
      plan_(plan),
      sums_(static_cast<size_t>(plan.slots)),
      lanes_(static_cast<size_t>(plan.slots)) {
  for (Variable& parameter : model.parameters())
    if (parameter.requires_grad()) parameters_.push_back(parameter);
  check(!parameters_.empty(), "GradientStep", "no parameter requires a gradient");
  model_.name_parts();  // a first call from several threads must not do it
  reset();
}

void GradientStep::reset() {
  for (auto& sums : sums_) sums.assign(parameters_.size(), Tensor());
  for (Lane& lane : lanes_) lane = {};
  unit_ = weight_ = 0;
}

Totals GradientStep::add(const Tensor& input, const Tensor& target, uint64_t number) {
  const double weight = loss_.weight(target);
  check(weight > 0, "GradientStep", "the samples' weights add up to ", weight);
  if (unit_ == 0) {
    unit_ = weight;
    for (Variable& parameter : parameters_) parameter.zero_grad();  // makes room for the new
  }
  weight_ += weight;
  try {
    return run_parts({input, target, number});
  } catch (...) {
    reset();  // some slots may have added their part
    throw;
  }
}

int64_t part_count(const StepPlan& plan, int64_t samples) {
  return plan.slots == 1 ? 1 : parts_of(samples, plan.micro_batch);
}

void for_each_part(const StepPlan& plan, int64_t samples, FunctionRef<void(int64_t, int64_t, int64_t)> f) {
  if (plan.slots == 1) return f(0, 0, samples);
  parallel_for(part_count(plan, samples), 1, [&](int64_t part, int64_t) {
    const int64_t begin = part * plan.micro_batch;
    f(part, begin, std::min(begin + plan.micro_batch, samples));
  });
}

int64_t GradientStep::count_parts(const Batch& batch) const { return parts_of(batch.input.size(0), plan_.micro_batch); }

Totals GradientStep::run_parts(const Batch& batch) {
  const ConstantWeights constant;  // until finish() and the optimiser
  const int64_t parts = count_parts(batch);
  std::vector<Totals> totals(sums_.size());
  const auto run_lane = [&](int64_t slot) {
    for (int64_t part = slot; part < parts; part += plan_.slots)
      totals[static_cast<size_t>(slot)].add(run_part(part, batch));
  };
  if (plan_.slots == 1)
    run_lane(0);  // outside parallel_for, so that the operations themselves use the threads
  else
    parallel_for(plan_.slots, 1, [&](int64_t slot, int64_t) { run_lane(slot); });
  for (size_t i = 1; i < totals.size(); ++i) totals[0].add(totals[i]);
  return totals[0];
}

void GradientStep::find_nonfinite(const Tensor& input, const Tensor& target, uint64_t number) {
  if (!all_finite(input)) throw Error("the input holds a NaN or Inf");
  unit_ = loss_.weight(target);
  const AnomalyMode anomaly;
  const Batch batch{input, target, number};
  for (int64_t part = 0; part < count_parts(batch); ++part) run_part(part, batch);
}

// Part i belongs to lane i % slots.
Totals GradientStep::run_part(int64_t part, const Batch& batch) {
  const int64_t begin = part * plan_.micro_batch, end = std::min(begin + plan_.micro_batch, batch.input.size(0));
  const RandomStep random(batch.number, begin);
  const Tensor target = batch.target.slice(0, begin, end);
  const Tensor input = batch.input.slice(0, begin, end);
  const Variable output = model_(input);
  const Variable loss = loss_(output, target);
  check(loss.numel() == 1, "GradientStep", "the loss must be one number, got shape ", loss.shape());
  const double weight = loss_.weight(target);
  compare(static_cast<size_t>(part % plan_.slots), input, output.value());
  const Totals totals = measure(output.value(), target, loss.item(), weight);
  add_grad(loss, parameters_, sums_[static_cast<size_t>(part % plan_.slots)],
           Tensor::full(loss.shape(), weight / unit_, loss.dtype()));
  return totals;
}

void GradientStep::Seen::add(const Tensor& samples) {
  for (int64_t i = 0; i < samples.size(0) && !differ; ++i) {
    const Tensor sample = samples.select(0, i);
    if (!first.defined()) first = sample.clone();
    differ = !bitwise_equal(sample, first);
  }
}

void GradientStep::Seen::add(const Seen& other) {
  if (!other.first.defined()) return;
  if (!first.defined()) first = other.first;
  differ = differ || other.differ || !bitwise_equal(first, other.first);
}

void GradientStep::compare(size_t slot, const Tensor& input, const Tensor& output) {
  Lane& lane = lanes_[slot];
  lane.outputs.add(output);
  if (!lane.outputs.differ) lane.inputs.add(input);
}

void GradientStep::finish() {
  check(weight_ > 0, "GradientStep", "finish() without add()");
  Lane all;
  for (const Lane& lane : lanes_) {
    all.inputs.add(lane.inputs);
    all.outputs.add(lane.outputs);
  }
  same_output_ = all.inputs.differ && !all.outputs.differ;
  const double scale = unit_ / weight_;
  std::vector<size_t> order(parameters_.size());  // largest first, so that the threads end together
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return parameters_[a].numel() > parameters_[b].numel(); });
  parallel_for(static_cast<int64_t>(order.size()), 1, [&](int64_t next, int64_t) {
    const size_t i = order[static_cast<size_t>(next)];
    std::vector<Tensor> terms;
    for (const auto& sums : sums_)
      if (sums[i].defined()) terms.push_back(sums[i]);
    parameters_[i].zero_grad();
    if (terms.empty()) return;
    Tensor total = sum_tree(terms);
    if (scale != 1.0) total.mul_(scale);
    parameters_[i].grad() = total;
  });
  reset();
}

}  // namespace kindling
