#include <kindling/train/features.h>

#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include <kindling/nn/dropout.h>
#include <kindling/nn/freeze.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/train/evaluate.h>
#include <kindling/train/step_plan.h>

namespace kindling {
namespace {

/// The number of layers in front of the first that learns or is random; 0 if none of them has
/// parameters.
int64_t layers_to_run_once(Sequential& model) {
  bool frozen = false;
  int64_t count = 0;
  for (; count < model.size(); ++count) {
    Module& layer = model.layers()[count];
    if (dynamic_cast<Dropout*>(&layer) != nullptr || !trainable(layer).empty()) break;
    frozen = frozen || layer.parameter_count() > 0;
  }
  return frozen && count < model.size() ? count : 0;
}

/// The samples of `base` with other inputs, of which those that could not be read are missing.
class FeatureData : public data::Wrapped {
 public:
  explicit FeatureData(data::DatasetPtr base) : Wrapped(std::move(base)), samples_(static_cast<size_t>(size())) {}

  data::Sample get(int64_t index) const override {
    const data::Sample& sample = samples_[static_cast<size_t>(index)];
    return sample.input.defined() ? sample : Wrapped::get(index);  // which throws
  }
  /// Threads may set different parts: each sample has memory of its own.
  void set(const data::Batch& batch, const BatchPart& part, const Tensor& inputs) {
    for (int64_t i = part.begin; i < part.end; ++i)
      samples_[static_cast<size_t>(batch.indices[static_cast<size_t>(i)])] = {inputs.select(0, i - part.begin).clone(),
                                                                              batch.target.select(0, i).clone()};
  }
  int64_t bytes() const {
    int64_t bytes = 0;
    for (const data::Sample& sample : samples_)
      if (sample.input.defined()) bytes += sample.input.numel() * size_of(sample.input.dtype());
    return bytes;
  }

 private:
  std::vector<data::Sample> samples_;  // without an input where there is none
};

Tensor run(Module& front, const Tensor& input) {
  const NoGrad no_grad;
  return front(input).value();
}

/// Null if the result would have more than `most` bytes.
std::shared_ptr<const FeatureData> run_on(Module& front, const data::DatasetPtr& base, const data::Transform& transform,
                                          int64_t most, const FeatureOptions& options) {
  data::LoaderOptions how{.batch_size = options.batch_size, .transform = transform, .reading = options.reading};
  how.reading.cache_bytes = 0;  // each sample is read once
  data::Loader loader(base, how);
  loader.start(0);
  const Tensor sample = loader.peek().input.select(0, 0);
  const Tensor first = run(front, sample.unsqueeze(0)).select(0, 0);
  if (base->size() * first.numel() * size_of(first.dtype()) > most) return nullptr;
  auto result = std::make_shared<FeatureData>(base);
  const StepPlan plan = plan_step(front, sample, options.batch_size);
  while (loader.peek().size() > 0) {
    if (options.stop != nullptr && options.stop->load()) throw Stopped();
    const data::Batch batch = loader.next();
    for_each_part(plan, batch.size(),
                  [&](const BatchPart& part) { result->set(batch, part, run(front, part.of(batch.input))); });
  }
  return result;
}

}  // namespace

std::unique_ptr<Features> compute_features(Module& model, const data::DatasetPtr& train, const data::DatasetPtr& val,
                                           const FeatureOptions& options) {
  auto* const layers = dynamic_cast<Sequential*>(&model);
  const int64_t count = layers == nullptr ? 0 : layers_to_run_once(*layers);
  if (count == 0) return nullptr;
  const auto begin = std::chrono::steady_clock::now();
  LayerRange front(*layers, 0, count);
  const EvaluationMode evaluation(front);
  const ConstantWeights constant;
  auto result = std::make_unique<Features>();
  for (const auto& [base, transform, features] :
       {std::tie(train, options.train_transform, result->train), std::tie(val, options.val_transform, result->val)}) {
    if (!base) continue;
    const auto computed = run_on(front, base, transform, options.reading.cache_bytes - result->bytes, options);
    if (!computed) return nullptr;
    result->bytes += computed->bytes();
    features = computed;
  }
  result->layers = std::make_unique<LayerRange>(*layers, count, layers->size());
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace kindling
