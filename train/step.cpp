#include <kindling/train/step.h>

#include <algorithm>
#include <numeric>

#include <kindling/nn/dropout.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/storage.h>

namespace kindling {
namespace {

/// Sums neighbours, then sums of neighbours, and so on, into the first.
Tensor sum_tree(std::vector<Tensor>& terms) {
  for (size_t distance = 1; distance < terms.size(); distance *= 2)
    for (size_t i = 0; i + distance < terms.size(); i += 2 * distance) terms[i].add_(terms[i + distance]);
  return terms.front();
}

}  // namespace

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

Totals GradientStep::run_parts(const Batch& batch) {
  const ConstantWeights constant;  // until finish() and the optimiser
  const std::vector<BatchPart> parts = cut_batch(plan_, batch.input.size(0));
  std::vector<Totals> totals(sums_.size());
  const auto run_lane = [&](int64_t slot) {
    for (const BatchPart& part : parts)
      if (lane_of(part) == static_cast<size_t>(slot)) totals[lane_of(part)].add(run_part(part, batch));
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
  for (const BatchPart& part : cut_batch(plan_, input.size(0))) run_part(part, batch);
}

Totals GradientStep::run_part(const BatchPart& part, const Batch& batch) {
  const size_t lane = lane_of(part);
  const RandomStep random(batch.number, part.begin);
  const Tensor input = part.of(batch.input), target = part.of(batch.target);
  const Variable output = model_(input);
  const Variable loss = loss_(output, target);
  check(loss.numel() == 1, "GradientStep", "the loss must be one number, got shape ", loss.shape());
  const double weight = loss_.weight(target);
  compare(lane, input, output.value());
  const Totals totals = measure(output.value(), target, loss.item(), weight);
  add_grad(loss, parameters_, sums_[lane], Tensor::full(loss.shape(), weight / unit_, loss.dtype()));
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
  parallel_for_in_order(static_cast<int64_t>(order.size()), [&](int64_t next) {
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
