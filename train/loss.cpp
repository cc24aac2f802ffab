#include <kindling/train/loss.h>

#include <cmath>

#include <kindling/autograd/ops/softmax.h>

namespace kindling {
namespace {

double weight_of(const Tensor& labels, const std::vector<double>& class_weights) {
  double total = 0;
  const Tensor flat = labels.to(DType::i64).contiguous();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const int64_t label = flat.data<int64_t>()[i];
    check(label >= 0 && label < static_cast<int64_t>(class_weights.size()), "classification", "label ", label, " for ",
          class_weights.size(), " class weights");
    total += class_weights[static_cast<size_t>(label)];
  }
  return total;
}

}  // namespace

Loss classification(const ClassificationOptions& options) {
  const double smoothing = options.label_smoothing;
  check(smoothing >= 0 && smoothing < 1, "classification", "label smoothing must be in [0, 1), got ", smoothing);
  for (const double weight : options.class_weights)
    check(weight > 0 && std::isfinite(weight), "classification", "class weights must be above 0, got ", weight);

  if (options.class_weights.empty())
    return Loss([smoothing](const Variable& output, const Tensor& target) {
      return cross_entropy(output, target, {.label_smoothing = smoothing});
    });
  const Tensor weights = Tensor::from(options.class_weights);
  return Loss(
      [smoothing, weights](const Variable& output, const Tensor& target) {
        return cross_entropy(output, target,
                             {.label_smoothing = smoothing, .class_weights = weights.to(output.dtype())});
      },
      [weights = options.class_weights](const Tensor& target) { return weight_of(target, weights); });
}

}  // namespace kindling
