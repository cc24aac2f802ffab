#include <kindling/train/step.h>

#include <kindling/nn/dropout.h>
#include <kindling/nn/freeze.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/storage.h>
#include <kindling/train/lane_gradients.h>

namespace kindling {
namespace {

Variables values_of(const std::vector<NamedParameter>& parameters) {
  Variables result;
  for (const NamedParameter& parameter : parameters) result.push_back(parameter.value);
  return result;
}

}  // namespace

GradientStep::GradientStep(Module& model, Loss loss, StepPlan plan)
    : model_(model),
      loss_(std::move(loss)),
      plan_(plan),
      parameters_(values_of(trainable(model))),
      gradients_(std::make_unique<LaneGradients>(plan.lanes, static_cast<int64_t>(parameters_.size()))),
      lanes_(static_cast<size_t>(plan.lanes)) {
  check(!parameters_.empty(), "GradientStep", "no parameter requires a gradient");
  model_.name_parts();  // a first call from several threads must not do it
  reset();
}

GradientStep::~GradientStep() = default;

void GradientStep::reset() {
  gradients_->reset();
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
    reset();  // some lanes may have added their part
    throw;
  }
}

Totals GradientStep::run_parts(const Batch& batch) {
  const ConstantWeights constant;  // until finish() and the optimiser
  const std::vector<BatchPart> parts = cut_batch(plan_, batch.input.size(0));
  std::vector<Totals> totals(lanes_.size());
  const auto run_lane = [&](int64_t lane) {
    gradients_->add_done();
    for (const BatchPart& part : parts)
      if (lane_of(part) == lane) totals[static_cast<size_t>(lane)].add(run_part(part, batch));
    gradients_->set_done(lane);
  };
  if (plan_.lanes == 1)
    run_lane(0);  // outside parallel_for, so that the operations themselves use the threads
  else
    parallel_for_in_order(plan_.lanes, run_lane);  // which is also the order of the sum
  gradients_->finish_batch();
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
  const int64_t lane = lane_of(part);
  const RandomStep random(batch.number, part.begin);
  const Tensor input = part.of(batch.input), target = part.of(batch.target);
  const Variable output = model_(input);
  const Variable loss = loss_(output, target);
  check(loss.numel() == 1, "GradientStep", "the loss must be one number, got shape ", loss.shape());
  const double weight = loss_.weight(target);
  compare(lane, input, output.value());
  const Totals totals = measure(output.value(), target, loss.item(), weight);
  add_grad(loss, parameters_, gradients_->of(lane), Tensor::full(loss.shape(), weight / unit_, loss.dtype()));
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

void GradientStep::compare(int64_t lane, const Tensor& input, const Tensor& output) {
  Lane& seen = lanes_[static_cast<size_t>(lane)];
  seen.outputs.add(output);
  if (!seen.outputs.differ) seen.inputs.add(input);
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
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor& sum = gradients_->sum()[i];
    parameters_[i].zero_grad();
    if (!sum.defined()) continue;
    if (scale != 1.0) sum.mul_(scale);
    parameters_[i].grad() = sum;
  }
  reset();
}

}  // namespace kindling
