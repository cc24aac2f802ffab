#include <cmath>

#include <kindling/autograd/ops/softmax.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/table/cases.h>

namespace kindling::table {
namespace {

// log sum_k exp(x_k) of the row that holds `index`; `index` may lack the last axis.
double row_logsumexp(const Tensor& x, const Shape& index) {
  Shape i = index;
  if (i.rank() < x.rank()) i.push_back(0);
  double total = 0;
  for (i[x.rank() - 1] = 0; i.back() < x.size(-1); ++i[x.rank() - 1]) total += std::exp(at(x, i));
  return std::log(total);
}

double log_probability(const Tensor& x, const Shape& index) { return at(x, index) - row_logsumexp(x, index); }

Tensor naive_cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, const std::vector<double>& w) {
  const int64_t classes = logits.size(1);
  double loss = 0, total = 0;
  for (int64_t n = 0; n < logits.size(0); ++n) {
    const int64_t label = labels.at<int64_t>({n});
    total += w[static_cast<size_t>(label)];
    for (int64_t k = 0; k < classes; ++k) {
      const double target = (k == label ? 1 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
      loss -= w[static_cast<size_t>(k)] * target * log_probability(logits, {n, k});
    }
  }
  return Tensor::scalar(loss / total, DType::f64);
}

void add_cross_entropy(std::vector<OpCase>& cases, const char* variant, int64_t rows, std::vector<double> weights,
                       bool weighted, double smoothing) {
  const int64_t classes = static_cast<int64_t>(weights.size());
  const auto inputs = [=](Rng& rng) {
    std::vector<int64_t> labels;
    for (int64_t n = 0; n < rows; ++n) labels.push_back(rng.next_below(classes));
    return Inputs{Tensor::uniform({rows, classes}, -3, 3, rng, DType::f64), Tensor::from(labels)};
  };
  const auto function = [=](const Args& x) {
    CrossEntropyOptions options{.label_smoothing = smoothing};
    if (weighted) options.class_weights = Tensor::from(weights).to(x[0].dtype());
    return cross_entropy(x[0], x[1], options);
  };
  cases.push_back({"cross_entropy", variant, inputs, function,
                   [=](const Inputs& x) { return naive_cross_entropy(x[0], x[1], smoothing, weights); }});
}

}  // namespace

void add_softmaxes(std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{5}, Shape{1, 1}, Shape{3, 7}, Shape{2, 3, 4}}) {
    cases.push_back({"softmax", to_string(shape), uniform({shape}), [](const Args& x) { return softmax(x[0]); },
                     [](const Inputs& x) {
                       return build(x[0].shape(), [&](const Shape& i) { return std::exp(log_probability(x[0], i)); });
                     }});
    cases.push_back({"log_softmax", to_string(shape), uniform({shape}), [](const Args& x) { return log_softmax(x[0]); },
                     [](const Inputs& x) {
                       return build(x[0].shape(), [&](const Shape& i) { return log_probability(x[0], i); });
                     }});
    cases.push_back({"logsumexp", to_string(shape), uniform({shape}), [](const Args& x) { return logsumexp(x[0]); },
                     [](const Inputs& x) {
                       return build(x[0].shape().without(x[0].rank() - 1),
                                    [&](const Shape& i) { return row_logsumexp(x[0], i); });
                     }});
  }
  add_cross_entropy(cases, "plain", 5, {1, 1, 1}, false, 0);
  add_cross_entropy(cases, "size 1", 1, {1}, false, 0);
  add_cross_entropy(cases, "label smoothing", 4, {1, 1, 1, 1, 1}, false, 0.1);
  add_cross_entropy(cases, "class weights, label smoothing", 6, {0.5, 2, 0, 1.25}, true, 0.2);
}

}  // namespace kindling::table
