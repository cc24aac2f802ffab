#include <kindling/compress/calibration.h>

#include <algorithm>
#include <cmath>

#include <kindling/autograd/ops/softmax.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/softmax.h>
#include <kindling/train/evaluate.h>

namespace kindling {
namespace {

/// Sums over samples, of one group of rows of a layer.
struct Sums {
  Tensor gram;      ///< f64 [K, K] or [K]: g_o g_o'
  Tensor cross;     ///< f64 [K]: g_o b_o
  double bias = 0;  ///< b_o^2
};

/// Adds the gradients [M, K] of M rows, and of their biases [M] or undefined.
void accumulate(Sums& sums, const Tensor& rows, const Tensor& biases) {
  const bool full = sums.gram.rank() == 2;
  sums.gram.add_((full ? matmul(transpose(rows), rows) : sum(square(rows), {0})).to(DType::f64));
  if (!biases.defined()) return;
  sums.cross.add_(matmul(biases.reshape({1, -1}), rows).reshape({-1}).to(DType::f64));
  sums.bias += dot(biases, biases);
}

Curvature curvature_of(const Sums& sums, double count) {
  Curvature result{sums.gram * (1 / count), sums.cross * 0.0};
  if (sums.bias <= 0) return result;
  result.bias_follows = sums.cross * (1 / sums.bias);
  const Tensor follow = result.bias_follows, cross = sums.cross * (1 / count);
  result.hessian =
      result.hessian -
      (result.hessian.rank() == 2 ? matmul(cross.reshape({-1, 1}), follow.reshape({1, -1})) : cross * follow);
  return result;
}

/// A class, drawn with its probability.
int64_t draw(const Tensor& logits, Rng& rng) {
  const std::vector<double> probabilities = softmax(logits.to(DType::f64)).to_vector<double>();
  double left = rng.next_uniform();
  for (size_t i = 0; i + 1 < probabilities.size(); ++i)
    if ((left -= probabilities[i]) < 0) return static_cast<int64_t>(i);
  return std::ssize(probabilities) - 1;
}

class Calibrator {
 public:
  Calibrator(Module& model, const CalibrationOptions& options)
      : model_(model), options_(options), layers_(weight_layers(model)) {
    int64_t bytes = 1;
    for (const WeightLayer& layer : layers_) {
      parameters_.push_back(*layer.weight);
      if (layer.bias->defined()) parameters_.push_back(*layer.bias);
      const int64_t k = layer.columns();
      const Shape shape = k > options.widest ? Shape{k} : Shape{k, k};
      for (int64_t g = 0; g < layer.groups; ++g)
        sums_.push_back({Tensor::zeros(shape, DType::f64), Tensor::zeros({k}, DType::f64)});
      bytes += layer.weight->numel() * size_of(layer.weight->dtype());
    }
    constexpr int64_t kGradientBytes = int64_t{1} << 28;  // held at a time
    images_at_once_ = std::clamp<int64_t>(kGradientBytes / bytes / options.labels, 1, 8);
    model.name_parts();
  }

  int64_t images_at_once() const { return images_at_once_; }

  void add(const data::Batch& batch, const Rng& rng) {
    std::vector<std::vector<Variables>> gradients(static_cast<size_t>(batch.size()));
    {
      const ConstantWeights constant;
      parallel_for(batch.size(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          gradients[static_cast<size_t>(i)] = gradients_of(
              batch.input.slice(0, i, i + 1), rng.fork(static_cast<uint64_t>(batch.indices[static_cast<size_t>(i)])));
      });
    }
    Variables all;  // of a sample after the other, each with all parameters
    for (const std::vector<Variables>& image : gradients)
      for (const Variables& sample : image) all.insert(all.end(), sample.begin(), sample.end());
    samples_ += batch.size() * options_.labels;
    size_t parameter = 0, group = 0;
    for (const WeightLayer& layer : layers_) {
      const bool bias = layer.bias->defined();
      for (int64_t g = 0; g < layer.groups; ++g)
        accumulate(sums_[group++], stacked(all, parameter, layer, g),
                   bias ? stacked(all, parameter + 1, layer, g).reshape({-1}) : Tensor());
      parameter += bias ? 2 : 1;
    }
  }

  Calibration finish() const {
    Calibration result{{}, samples_};
    size_t group = 0;
    for (const WeightLayer& layer : layers_) {
      LayerCurvature curvature{layer.path, {}};
      for (int64_t g = 0; g < layer.groups; ++g)
        curvature.groups.push_back(
            curvature_of(sums_[group++], static_cast<double>(samples_ * (layer.rows() / layer.groups))));
      result.layers.push_back(std::move(curvature));
    }
    return result;
  }

 private:
  /// One for each label that is drawn for the image [1, ...].
  std::vector<Variables> gradients_of(const Tensor& image, Rng rng) {
    const Variable logits = model_(image);
    check(logits.rank() == 2, "calibrate", "the model must give logits [N, classes], gives ", logits.shape());
    std::vector<Variables> result;
    for (int64_t i = 0; i < options_.labels; ++i) {
      const Variable loss = cross_entropy(logits, Tensor::from<int64_t>({draw(logits.value(), rng)}));
      result.push_back(grad({loss}, parameters_, CreateGraph::no, {}, false, i + 1 < options_.labels));
    }
    return result;
  }

  /// The gradients of a parameter of `layer` in all samples, the rows of group g: [M, K] or [M, 1].
  Tensor stacked(const Variables& all, size_t parameter, const WeightLayer& layer, int64_t g) const {
    const int64_t rows = layer.rows() / layer.groups, samples = std::ssize(all) / std::ssize(parameters_);
    const int64_t columns = all[parameter].numel() / layer.rows();
    Tensor result = Tensor::empty({samples * rows, columns}, all[parameter].dtype());
    for (int64_t s = 0; s < samples; ++s)
      result.slice(0, s * rows, (s + 1) * rows)
          .copy_(all[static_cast<size_t>(s) * parameters_.size() + parameter]
                     .value()
                     .reshape({layer.rows(), columns})
                     .slice(0, g * rows, (g + 1) * rows));
    return result;
  }

  Module& model_;
  const CalibrationOptions& options_;
  std::vector<WeightLayer> layers_;
  Variables parameters_;
  std::vector<Sums> sums_;  ///< of all groups of all layers
  int64_t images_at_once_ = 1, samples_ = 0;
};

}  // namespace

Calibration calibrate(Module& model, const data::DatasetPtr& images, const CalibrationOptions& options) {
  check(options.passes > 0 && options.labels > 0 && options.widest > 0, "calibrate",
        "needs at least one pass and one label an image, got ", options.passes, " and ", options.labels);
  const EvaluationMode evaluation(model);
  Calibrator calibrator(model, options);
  data::Loader loader(images, {.batch_size = calibrator.images_at_once(),
                               .seed = options.seed,
                               .transform = options.transform ? options.transform : standardize_pixels,
                               .reading = options.reading});
  const Rng rng(options.seed, 1);
  int64_t done = 0;
  for (int64_t pass = 0; pass < options.passes; ++pass)
    for (const data::Batch& batch : loader.epoch(pass)) {
      if (options.stop != nullptr && options.stop->load()) throw Stopped();
      calibrator.add(batch, rng.fork(static_cast<uint64_t>(pass)));
      done += batch.size();
      if (options.progress) options.progress(done, images->size() * options.passes);
    }
  return calibrator.finish();
}

}  // namespace kindling
