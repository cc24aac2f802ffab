// Regression with a loss and a metric of one's own, and class weights for a classifier with rare classes.
#include <cmath>
#include <cstdio>

#include <kindling/kindling.h>

using namespace kindling;

namespace {

// y = sin(3 a) + b^2 for points (a, b) in a square, as a data set in memory.
data::DatasetPtr surface(int64_t count, Rng& rng) {
  Tensor inputs = Tensor::uniform({count, 2}, -1, 1, rng), targets = Tensor::empty({count, 1});
  for (int64_t i = 0; i < count; ++i) {
    const float a = inputs.at<float>({i, 0}), b = inputs.at<float>({i, 1});
    targets.at<float>({i, 0}) = std::sin(3 * a) + b * b;
  }
  return std::make_shared<data::TensorDataset>(inputs, targets);
}

double mean_absolute_error(const Tensor& output, const Tensor& target) { return mean(abs(output - target)).item(); }

}  // namespace

int main() {
  Rng rng(1);
  Sequential net;
  net.add("fc1", Linear(2, 64, rng));
  net.add("tanh1", Tanh());
  net.add("fc2", Linear(64, 1, rng));

  TrainerOptions options{.schedule = cosine(), .batch_size = 50};
  options.loss = [](const Variable& output, const Tensor& target) { return mse_loss(output, target); };
  options.metrics = {{"mean absolute error", mean_absolute_error}};
  Trainer trainer(net, Adam(net.parameters(), {.lr = 0.01}), options);
  const TrainResult result = trainer.fit(surface(4000, rng), surface(500, rng), {.epochs = 20});
  const double error = result.validation->metrics.at("mean absolute error");
  std::printf("y = sin(3a) + b^2: mean absolute error %.4f\n", error);

  // Class 0 counts ten times: the loss is sum_i w(y_i) l_i / sum_i w(y_i).
  const Loss weighted = classification({.class_weights = {10, 1, 1}});
  const Tensor logits = Tensor::from<float>({0, 1, 0, 0, 1, 0}, {2, 3}), labels = Tensor::from<int64_t>({0, 1});
  std::printf("weighted loss %.4f\n", weighted(logits, labels).item());
  return error < 0.05 ? 0 : 1;
}
