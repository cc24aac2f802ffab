#include <kindling/train/metrics.h>

#include <algorithm>
#include <cmath>

#include <kindling/tensor/check.h>

namespace kindling {
namespace {

// Classes that come before `label` in the order of falling outputs.
template <class T>
int64_t rank_of(const T* outputs, int64_t classes, int64_t label) {
  const T own = outputs[label];
  if (std::isnan(own)) return classes;
  int64_t before = 0;
  for (int64_t c = 0; c < classes; ++c) before += outputs[c] > own || (outputs[c] == own && c < label);
  return before;
}

std::optional<double> per_cent(bool known, int64_t hits, int64_t samples) {
  if (!known || samples == 0) return std::nullopt;
  return 100.0 * static_cast<double>(hits) / static_cast<double>(samples);
}

}  // namespace

bool is_classification(const Tensor& output, const Tensor& target) {
  return output.rank() == 2 && target.rank() == 1 && target.dtype() == DType::i64 && is_floating(output.dtype()) &&
         output.size(0) == target.size(0);
}

int64_t top_k_hits(const Tensor& output, const Tensor& target, int64_t k) {
  check(is_classification(output, target), "top_k_hits", "needs outputs [N, classes] and class numbers [N], got ",
        output.dtype(), " ", output.shape(), " and ", target.dtype(), " ", target.shape());
  const Tensor rows = output.contiguous();
  const int64_t classes = rows.size(1);
  const Tensor true_classes = target.contiguous();
  const auto* labels = true_classes.data<int64_t>();
  int64_t hits = 0;
  visit_floating("top_k_hits", rows.dtype(), [&](auto t) {
    const auto* first = rows.data<decltype(t)>();
    for (int64_t i = 0; i < true_classes.numel(); ++i) {
      check(labels[i] >= 0 && labels[i] < classes, "top_k_hits", "label ", labels[i], " for ", classes, " classes");
      hits += rank_of(first + i * classes, classes, labels[i]) < k;
    }
  });
  return hits;
}

Totals measure(const Tensor& output, const Tensor& target, double loss, double weight) {
  Totals totals{.samples = target.size(0), .loss = weight * loss, .weight = weight};
  if (is_classification(output, target)) {
    totals.classes = output.size(1);
    totals.hits1 = top_k_hits(output, target, 1);
    totals.hits5 = top_k_hits(output, target, 5);
  }
  return totals;
}

void Totals::add(const Totals& other) {
  if (other.samples == 0) return;
  classes = samples == 0 ? other.classes : std::min(classes, other.classes);
  samples += other.samples;
  loss += other.loss;
  weight += other.weight;
  hits1 += other.hits1;
  hits5 += other.hits5;
  metrics.resize(other.metrics.size());
  for (size_t i = 0; i < metrics.size(); ++i) metrics[i] += other.metrics[i];
}

std::optional<double> Totals::top1() const { return per_cent(classes > 0, hits1, samples); }
std::optional<double> Totals::top5() const { return per_cent(classes > 5, hits5, samples); }

}  // namespace kindling
