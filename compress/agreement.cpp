#include <kindling/compress/agreement.h>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/softmax.h>
#include <kindling/data/loader.h>
#include <kindling/tensor/ops.h>
#include <kindling/train/confusion.h>

namespace kindling {

Variable mean_divergence(const Tensor& p, const Variable& q) {
  check(p.rank() == 2 && p.shape() == q.shape(), "mean_divergence", "needs two [N, classes], got ", p.shape(), " and ",
        q.shape());
  const Tensor target = softmax(p);
  const auto rows = static_cast<double>(p.size(0));
  const double entropy = dot(target, log_softmax(p)) / rows;  // of p, with its sign changed
  return sum(log_softmax(q) * Variable(target)) * (-1.0 / rows) + entropy;
}

double mean_divergence(const Tensor& p, const Tensor& q) {
  return mean_divergence(p.to(DType::f64), Variable(q.to(DType::f64))).item();
}

Agreement compare_predictions(Module& original, Module& model, const data::DatasetPtr& images,
                              const EvaluateOptions& how) {
  check(images->size() > 0, "compare_predictions", "there are no images");
  const EvaluationMode first(original), second(model);
  const NoGrad no_grad;
  data::Loader loader(images, {.batch_size = how.batch_size,
                               .transform = how.transform ? how.transform : standardize_pixels,
                               .reading = how.reading});
  Agreement result;
  double same = 0, divergence = 0;
  for (const data::Batch& batch : loader.epoch(0)) {
    if (how.stop != nullptr && how.stop->load()) throw Stopped();
    const Tensor p = original(batch.input).value(), q = model(batch.input).value();
    const int64_t count = p.size(0);
    divergence += mean_divergence(p, q) * static_cast<double>(count);
    const std::vector<int64_t> of_p = answers(p), of_q = answers(q);
    for (size_t i = 0; i < of_p.size(); ++i) same += of_p[i] == of_q[i];
    result.images += count;
    if (how.progress) how.progress(result.images, images->size());
  }
  const auto total = static_cast<double>(result.images);
  result.same_class = 100 * same / total;
  result.divergence = divergence / total;
  return result;
}

}  // namespace kindling
