#include <kindling/train/evaluate.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/softmax.h>
#include <kindling/train/step_plan.h>

namespace kindling {
namespace {

using Clock = std::chrono::steady_clock;

bool stop_requested(const EvaluateOptions& options) { return options.stop != nullptr && options.stop->load(); }

data::LoaderOptions loader_options(const EvaluateOptions& options) {
  return {.batch_size = options.batch_size,
          .transform = options.transform ? options.transform : data::Transform(standardize_pixels),
          .reading = options.reading};
}

/// What a part of the samples gave, in their order.
struct Part {
  Totals totals;
  std::vector<int64_t> answers = {};       ///< of a classifier
  std::vector<double> probabilities = {};  ///< of the answers, if mistakes are kept

  void add(const Part& other) {
    totals.add(other.totals);
    answers.insert(answers.end(), other.answers.begin(), other.answers.end());
    probabilities.insert(probabilities.end(), other.probabilities.begin(), other.probabilities.end());
  }
};

std::vector<double> probabilities_of(const std::vector<int64_t>& answers, const Tensor& output) {
  const Tensor all = softmax(output.to(DType::f64));
  std::vector<double> result;
  for (size_t i = 0; i < answers.size(); ++i)
    result.push_back(answers[i] == Confusion::kNone ? 0 : all.at<double>({static_cast<int64_t>(i), answers[i]}));
  return result;
}

Part measure_part(Module& model, const EvaluateOptions& options, const Tensor& input, const Tensor& target) {
  const NoGrad no_grad;
  const Variable output = model(input);
  const Variable loss = options.loss(output, target);
  check(loss.numel() == 1, "evaluate", "the loss must be one number, got shape ", loss.shape());
  Part part{.totals = measure(output.value(), target, loss.item(), options.loss.weight(target))};
  if (part.totals.classes > 0) part.answers = answers(output.value());
  if (options.mistakes > 0 && part.totals.classes > 0)
    part.probabilities = probabilities_of(part.answers, output.value());
  for (const Metric& metric : options.metrics)
    part.totals.metrics.push_back(metric.value(output.value(), target) * static_cast<double>(part.totals.samples));
  return part;
}

Part measure_batch(Module& model, const EvaluateOptions& options, const data::Batch& batch, const StepPlan& plan) {
  std::vector<Part> parts(cut_batch(plan, batch.size()).size());
  for_each_part(plan, batch.size(), [&](const BatchPart& part) {
    parts[static_cast<size_t>(part.index)] = measure_part(model, options, part.of(batch.input), part.of(batch.target));
  });
  for (size_t i = 1; i < parts.size(); ++i) parts[0].add(parts[i]);
  return parts[0];
}

/// Adds a batch to the matrix, which its first batch makes. It goes if the outputs are no longer
/// those of a classifier.
void count_answers(std::optional<Confusion>& confusion, const Totals& before, const Part& batch, const Tensor& target) {
  if (before.samples == 0 && batch.totals.classes > 0) confusion.emplace(batch.totals.classes);
  if (batch.totals.classes == 0) confusion.reset();
  if (!confusion) return;
  const std::vector<int64_t> labels = target.to_vector<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i) confusion->add(labels[i], batch.answers[i]);
}

/// Adds the mistakes of a batch, and keeps the `most` worst of all.
void keep_worst(std::vector<Mistake>& mistakes, const data::Batch& batch, const Part& part, int64_t most) {
  if (part.probabilities.empty()) return;
  const std::vector<int64_t> labels = batch.target.to_vector<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i)
    if (part.answers[i] != labels[i] && part.answers[i] != Confusion::kNone)
      mistakes.push_back({batch.indices[i], labels[i], part.answers[i], part.probabilities[i]});
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; });
  if (std::ssize(mistakes) > most) mistakes.resize(static_cast<size_t>(most));
}

}  // namespace

Tensor standardize_pixels(const Tensor& input, Rng& rng) {
  static const data::Transform standard = data::preprocess({});
  return standard(input, rng);
}

Evaluator::Evaluator(data::DatasetPtr dataset, EvaluateOptions options)
    : options_(std::move(options)), loader_(std::move(dataset), loader_options(options_)) {}

Evaluation Evaluator::run(Module& model) {
  const EvaluationMode evaluation(model);
  const ConstantWeights constant;
  model.name_parts();  // a first call from several threads must not do it
  const auto begin = Clock::now();
  Totals totals;
  std::optional<Confusion> confusion;
  std::vector<Mistake> mistakes;
  const data::EpochBatches batches = loader_.epoch(0);
  const StepPlan plan = plan_step(model, loader_.peek().input.select(0, 0), options_.batch_size);
  for (const data::Batch& batch : batches) {
    if (stop_requested(options_)) throw Stopped();
    const Part part = measure_batch(model, options_, batch, plan);
    count_answers(confusion, totals, part, batch.target);
    keep_worst(mistakes, batch, part, options_.mistakes);
    totals.add(part.totals);
    if (options_.progress) options_.progress(totals.samples, loader_.dataset().size());
  }

  Evaluation result{.samples = totals.samples,
                    .loss = totals.mean_loss(),
                    .top1 = totals.top1(),
                    .top5 = totals.top5(),
                    .confusion = std::move(confusion),
                    .mistakes = std::move(mistakes)};
  const auto samples = static_cast<double>(totals.samples);
  for (size_t i = 0; i < options_.metrics.size(); ++i)
    result.metrics[options_.metrics[i].name] = totals.metrics[i] / samples;
  result.images_per_second = samples / std::chrono::duration<double>(Clock::now() - begin).count();
  result.skipped = loader_.stats().skipped;
  return result;
}

Evaluation evaluate(Module& model, const data::DatasetPtr& dataset, const EvaluateOptions& options) {
  EvaluateOptions once = options;
  once.reading.cache_bytes = 0;
  return Evaluator(dataset, std::move(once)).run(model);
}

}  // namespace kindling
