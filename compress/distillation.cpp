#include <kindling/compress/distillation.h>

#include <cmath>
#include <numbers>
#include <vector>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/compress/agreement.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/optim/adam.h>
#include <kindling/tensor/ops.h>
#include <kindling/train/evaluate.h>

namespace kindling {
namespace {

/// The weights and biases of a model as functions of a few numbers, while it lives.
class Tuned {
 public:
  Tuned(Module& model, const QuantisedModel& quantised) : layers_(weight_layers(model)) {
    for (size_t i = 0; i < quantised.layers.size(); ++i) {
      const WeightLayer& layer = layers_[i];
      weights_.push_back(*layer.weight);
      biases_.push_back(*layer.bias);
      factors_.emplace_back(Tensor::ones({1}, layer.weight->dtype()), true);
      const Tensor bias = layer.bias->defined() ? layer.bias->value() : Tensor::zeros({1}, layer.weight->dtype());
      shifts_.emplace_back(Tensor::zeros(bias.shape(), bias.dtype()), true);
      units_.push_back(std::max(mean(abs(bias)).item(), 1e-3));
    }
  }
  ~Tuned() {
    for (size_t i = 0; i < weights_.size(); ++i) {
      *layers_[i].weight = weights_[i];
      *layers_[i].bias = biases_[i];
    }
  }
  Tuned(const Tuned&) = delete;
  Tuned& operator=(const Tuned&) = delete;

  Variables parameters() const {
    Variables all = factors_;
    for (size_t i = 0; i < shifts_.size(); ++i)
      if (biases_[i].defined()) all.push_back(shifts_[i]);
    return all;
  }

  /// Gives the model weight * factor and bias + unit * shift.
  void place() {
    for (size_t i = 0; i < weights_.size(); ++i) {
      *layers_[i].weight = Variable(weights_[i].value()) * factors_[i];
      if (biases_[i].defined()) *layers_[i].bias = Variable(biases_[i].value()) + shifts_[i] * units_[i];
    }
  }

  /// Tells `quantised` what was learnt, the biases on their grid.
  void keep(QuantisedModel& quantised) const {
    for (size_t i = 0; i < weights_.size(); ++i) {
      quantised.layers[i].step *= static_cast<float>(factors_[i].value().item());
      if (!biases_[i].defined()) continue;
      QuantisedLayer& layer = quantised.layers[i];
      const std::vector<double> biases = (biases_[i].value() + shifts_[i].value() * units_[i]).to_vector<double>();
      for (size_t o = 0; o < biases.size(); ++o)
        layer.bias_codes[o] = static_cast<int32_t>(std::lround(biases[o] / layer.bias_step));
    }
  }

 private:
  std::vector<WeightLayer> layers_;
  Variables weights_, biases_, factors_, shifts_;
  std::vector<double> units_;
};

}  // namespace

void distil(Module& original, Module& model, QuantisedModel& quantised, const data::DatasetPtr& images,
            const DistillationOptions& options) {
  check(options.epochs >= 0 && options.lr > 0, "distil", "needs epochs of 0 or more and a rate above 0, got ",
        options.epochs, " and ", options.lr);
  set_weights(model, quantised);
  const EvaluationMode first(original), second(model);
  data::Loader loader(images, {.batch_size = options.batch_size,
                               .shuffle = true,
                               .seed = options.seed,
                               .transform = options.transform ? options.transform : standardize_pixels,
                               .reading = options.reading});
  {
    Tuned tuned(model, quantised);
    Adam adam(tuned.parameters(), {.lr = options.lr});
    const int64_t total = options.epochs * loader.batches_per_epoch();
    int64_t done = 0;
    for (int64_t epoch = 0; epoch < options.epochs; ++epoch)
      for (const data::Batch& batch : loader.epoch(epoch)) {
        if (options.stop != nullptr && options.stop->load()) throw Stopped();
        const Tensor target = [&] {
          const NoGrad no_grad;
          return original(batch.input).value();
        }();
        tuned.place();
        const Variable loss = mean_divergence(target, model(batch.input));
        adam.zero_grad();
        loss.backward();
        adam.set_lr(options.lr * 0.5 *
                    (1 + std::cos(std::numbers::pi * static_cast<double>(done) / static_cast<double>(total))));
        adam.step();
        ++done;
        if (options.progress) options.progress(done, total, loss.item());
      }
    tuned.keep(quantised);
  }
  set_weights(model, quantised);
}

}  // namespace kindling
