#include <kindling/train/step_plan.h>

#include <algorithm>
#include <utility>

#include <kindling/nn/freeze.h>
#include <kindling/nn/observer.h>
#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

// Parts for lanes. Their number decides the bits, so it cannot follow the number of threads: 8 share out evenly over 1,
// 2, 4 and 8 threads, and nearly over 3. Smaller parts are slower: 0.89 of the speed with squeezenet_cifar, batch 128,
// in 16 parts on two cores.
constexpr int64_t kParts = 8;
// Where memory asks for smaller parts anyway, up to 16 lanes also use 16 threads. Each adds a copy of the gradient.
// (squeezenet1_1, batch 32, on two cores: no difference.)
constexpr int64_t kMostLanes = 16;
// The most bytes of all lanes' gradients, for each byte of the batch's activations: LeNet with 64 images has 1.4 in
// four lanes (5.6 ms a step, whole 6.3, two EPYC cores), AlexNet 3 in two (865 ms, whole 823).
constexpr double kMostGradient = 1.5;
// Activations of one micro-batch. Several images read the weights, and write the weights' gradient, once for all of
// them: squeezenet_cifar, batch 128, two EPYC cores: 146, 129 and 126 ms a step for bounds of 8, 16 and 43 MiB;
// squeezenet1_1 at 224 pixels, Zen 5: 1.044 times as fast in parts of two images (this bound) as in parts of one, and
// inference as well. But every thread needs the memory once: 134, 159 and 248 MB in parts of one, two and three, of
// which the third made nothing faster.
constexpr int64_t kMicroBatchBytes = int64_t{28} << 20;

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

int64_t gradient_bytes(Module& model) {
  int64_t bytes = 0;
  for (const auto& [name, parameter] : trainable(model)) bytes += parameter.numel() * size_of(parameter.dtype());
  return bytes;
}

/// Looks for a buffer of a layer in training mode.
class TrainingBuffer final : public Visitor {
 public:
  explicit TrainingBuffer(Module& model) : module_(&model) { model.visit(*this); }
  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view name, Tensor& buffer) override {
    if (buffer.defined() && module_->training() && found.empty()) found = path_ + std::string(name);
  }
  void operator()(std::string_view name, Module& child) override {
    const size_t length = path_.size();
    Module* const owner = std::exchange(module_, &child);
    path_.append(name).append("/");
    child.visit(*this);
    path_.resize(length);
    module_ = owner;
  }

  std::string found;  ///< its path; "": there is none

 private:
  Module* module_;
  std::string path_;
};

StepPlan cut(int64_t batch_size, int64_t micro_batch, int64_t lanes) {
  return {.micro_batch = micro_batch, .lanes = std::min(lanes, ceil_div(batch_size, micro_batch))};
}

}  // namespace

StepPlan plan_step(Module& model, const Tensor& sample, int64_t batch_size, int64_t micro_batch) {
  check(batch_size > 0 && micro_batch >= 0, "plan_step", "batch of ", batch_size, ", micro-batches of ", micro_batch);
  const StepPlan whole{.micro_batch = batch_size, .lanes = 1};
  const std::string buffer = TrainingBuffer(model).found;
  const bool whole_only = !buffer.empty();
  check(!whole_only || micro_batch == 0 || micro_batch >= batch_size, "plan_step", "micro-batches of ", micro_batch,
        " would change the batch statistics that ", buffer, " is computed from: leave micro_batch at 0");
  if (whole_only || batch_size == 1 || micro_batch >= batch_size) return whole;

  const int64_t activations = activation_bytes(model, sample);
  const double most_gradients = kMostGradient * static_cast<double>(batch_size * activations) /
                                static_cast<double>(std::max<int64_t>(gradient_bytes(model), 1));
  int64_t lanes = kMostLanes;
  while (static_cast<double>(lanes) > most_gradients) lanes /= 2;
  if (micro_batch > 0) return cut(batch_size, micro_batch, std::max<int64_t>(lanes, 1));
  if (lanes < 2) return whole;
  const int64_t largest = ceil_div(batch_size, std::min(lanes, kParts));
  return cut(batch_size, std::clamp<int64_t>(kMicroBatchBytes / activations, 1, largest), lanes);
}

std::vector<BatchPart> cut_batch(const StepPlan& plan, int64_t samples) {
  std::vector<BatchPart> parts;
  for (int64_t begin = 0; begin < samples; begin += plan.micro_batch)
    parts.push_back({.index = static_cast<int64_t>(parts.size()),
                     .begin = begin,
                     .end = std::min(begin + plan.micro_batch, samples)});
  return parts;
}

void for_each_part(const StepPlan& plan, int64_t samples, FunctionRef<void(const BatchPart&)> f) {
  const std::vector<BatchPart> parts = cut_batch(plan, samples);
  if (plan.lanes == 1)
    for (const BatchPart& part : parts) f(part);
  else
    parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t i, int64_t) { f(parts[static_cast<size_t>(i)]); });
}

}  // namespace kindling
