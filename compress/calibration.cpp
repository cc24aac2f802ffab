#include <kindling/compress/calibration.h>

#include <algorithm>
#include <cmath>

#include <kindling/autograd/ops/softmax.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/nn/observer.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tensor/softmax.h>
#include <kindling/train/evaluate.h>

namespace kindling {
namespace {

/// Of rows [M, K]: the sum of their products with themselves, f64 [K, K], or [K] of the diagonal.
Tensor gram_of(const Tensor& rows, bool full) {
  return (full ? matmul(transpose(rows), rows) : sum(square(rows), {0})).to(DType::f64);
}

/// Sums over samples, of one group of rows of a layer.
struct Sums {
  Sums(int64_t columns, bool full)
      : gram(Tensor::zeros(full ? Shape{columns, columns} : Shape{columns}, DType::f64)),
        cross(Tensor::zeros({columns}, DType::f64)),
        inputs(gram.clone()),
        input(cross.clone()) {}

  /// The gradients [M, K] of M rows, and of their biases [M] or undefined.
  void add_gradients(const Tensor& rows, const Tensor& biases) {
    gram.add_(gram_of(rows, gram.rank() == 2));
    if (!biases.defined()) return;
    cross.add_(matmul(biases.reshape({1, -1}), rows).reshape({-1}).to(DType::f64));
    bias += dot(biases, biases);
  }
  void add_inputs(const Tensor& rows) {
    inputs.add_(gram_of(rows, gram.rank() == 2));
    input.add_(sum(rows, {0}).to(DType::f64));
    input_rows += static_cast<double>(rows.size(0));
  }

  Tensor gram, cross;     ///< g_o g_o' and g_o b_o
  double bias = 0;        ///< b_o^2
  Tensor inputs, input;   ///< x x' and x
  double input_rows = 0;  ///< so many x
};

/// a b', or its diagonal.
Tensor outer(const Tensor& a, const Tensor& b, bool full) {
  return full ? matmul(a.reshape({-1, 1}), b.reshape({1, -1})) : a * b;
}

double trace(const Tensor& h) {
  double result = 0;
  for (int64_t i = 0; i < h.size(0); ++i) result += h.rank() == 2 ? h.at<double>({i, i}) : h.at<double>({i});
  return result;
}

/// `count`: rows times samples.
Curvature curvature_of(const Sums& sums, double count, double shrinkage) {
  const bool full = sums.gram.rank() == 2;
  Curvature result{sums.gram * (1 / count), sums.cross * 0.0};
  Tensor inputs = sums.inputs * (1 / sums.input_rows);
  if (sums.bias > 0) {
    const Tensor mean = sums.input * (1 / sums.input_rows);
    result.bias = sums.bias / count;
    result.bias_follows = sums.cross * (1 / sums.bias);
    result.hessian = result.hessian - outer(sums.cross * (1 / count), result.bias_follows, full);
    inputs = inputs - outer(mean, mean, full);
  }
  const double of_inputs = trace(inputs);
  if (of_inputs > 0)
    result.hessian = result.hessian * (1 - shrinkage) + inputs * (shrinkage * trace(result.hessian) / of_inputs);
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
      for (int64_t g = 0; g < layer.groups; ++g) sums_.emplace_back(layer.columns(), layer.columns() <= options.widest);
      bytes += layer.weight->numel() * size_of(layer.weight->dtype());
    }
    constexpr int64_t kGradientBytes = int64_t{1} << 28;  // held at a time
    images_at_once_ = std::clamp<int64_t>(kGradientBytes / bytes / options.labels, 1, 8);
    model.name_parts();
  }

  int64_t images_at_once() const { return images_at_once_; }

  void add(const data::Batch& batch, const Rng& rng) {
    std::vector<Seen> images(static_cast<size_t>(batch.size()));
    {
      const ConstantWeights constant;
      parallel_for(batch.size(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          images[static_cast<size_t>(i)] = look_at(
              batch.input.slice(0, i, i + 1), rng.fork(static_cast<uint64_t>(batch.indices[static_cast<size_t>(i)])));
      });
    }
    Variables gradients;  // of one sample after the other, each with all parameters
    for (const Seen& image : images) gradients.insert(gradients.end(), image.gradients.begin(), image.gradients.end());
    samples_ += batch.size() * options_.labels;
    size_t parameter = 0, group = 0;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const WeightLayer& layer = layers_[i];
      const bool bias = layer.bias->defined();
      for (int64_t g = 0; g < layer.groups; ++g, ++group) {
        sums_[group].add_gradients(stacked(gradients, parameter, layer, g),
                                   bias ? stacked(gradients, parameter + 1, layer, g).reshape({-1}) : Tensor());
        for (const Seen& image : images) sums_[group].add_inputs(some_inputs(layer, image.inputs[i], g));
      }
      parameter += bias ? 2 : 1;
    }
  }

  Calibration finish() const {
    Calibration result{{}, samples_};
    size_t group = 0;
    for (const WeightLayer& layer : layers_) {
      LayerCurvature curvature{layer.path, {}};
      for (int64_t g = 0; g < layer.groups; ++g)
        curvature.groups.push_back(curvature_of(
            sums_[group++], static_cast<double>(samples_ * (layer.rows() / layer.groups)), options_.shrinkage));
      result.layers.push_back(std::move(curvature));
    }
    return result;
  }

 private:
  /// What one image shows.
  struct Seen {
    Variables gradients;         ///< of all parameters, for one label after the other
    std::vector<Tensor> inputs;  ///< of each layer, [1, ...]
  };

  Seen look_at(const Tensor& image, Rng rng) {
    Seen seen{{}, std::vector<Tensor>(layers_.size())};
    const Variable logits = [&] {
      const CallObserver observer([&](Module& module, const std::string&, const Variable& input, const Variable&) {
        for (size_t i = 0; i < layers_.size(); ++i)
          if (layers_[i].layer == &module) seen.inputs[i] = input.value();
      });
      return model_(image);
    }();
    check(logits.rank() == 2, "calibrate", "the model must give logits [N, classes], gives ", logits.shape());
    for (int64_t i = 0; i < options_.labels; ++i) {
      const Variable loss = cross_entropy(logits, Tensor::from<int64_t>({draw(logits.value(), rng)}));
      const Variables gradients = grad({loss}, parameters_, CreateGraph::no, {}, false, i + 1 < options_.labels);
      seen.gradients.insert(seen.gradients.end(), gradients.begin(), gradients.end());
    }
    return seen;
  }

  /// At most about 1000 rows, evenly spread: those of neighbouring pixels are much alike.
  static Tensor some_inputs(const WeightLayer& layer, const Tensor& input, int64_t group) {
    constexpr int64_t kRows = 1000;
    const Tensor rows = layer.inputs(input, group);
    return rows.slice(0, 0, rows.size(0), std::max<int64_t>(1, rows.size(0) / kRows)).contiguous();
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
  check(options.shrinkage >= 0 && options.shrinkage <= 1, "calibrate", "shrinkage must be in [0, 1], got ",
        options.shrinkage);
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
