#include <kindling/compress/rate_distortion.h>

#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include <kindling/compress/grid_rounding.h>
#include <kindling/compress/rate_model.h>
#include <kindling/compress/weight_layers.h>
#include <kindling/tensor/ops.h>
#include <kindling/train/evaluate.h>

namespace kindling {
namespace {

Tensor on_grid(const std::vector<int32_t>& codes, float step, const Shape& shape) {
  std::vector<float> values;
  values.reserve(codes.size());
  for (const int32_t code : codes) values.push_back(step * static_cast<float>(code));
  return Tensor::from(values, shape);
}
Tensor values_of(const QuantisedLayer& layer) { return on_grid(layer.codes, layer.step, layer.shape); }

/// A layer before, with all that its rounding needs.
struct Source {
  WeightLayer layer;
  Tensor weight, bias;                   ///< [O, K], f64, and as it is
  std::vector<Tensor> bias_follows;      ///< of each group
  double bias_curvature = 0;             ///< the mean of the groups'
  std::vector<CurvatureFactor> factors;  ///< of each group
  double scale = 1;                      ///< the best step found, as a multiple of the natural one
};

class Quantiser {
 public:
  Quantiser(Module& model, const Calibration& calibration, const RateDistortionOptions& options) : options_(options) {
    const std::vector<WeightLayer> layers = weight_layers(model);
    if (layers.empty()) throw Error("quantise: the model has no layer with weights");
    for (size_t i = 0; i < layers.size(); ++i) {
      const bool fits = i < calibration.layers.size() && calibration.layers[i].path == layers[i].path &&
                        std::ssize(calibration.layers[i].groups) == layers[i].groups;
      if (!fits || calibration.layers.size() != layers.size())
        throw Error("quantise: the calibration is of another model: it does not know " + layers[i].path);
      sources_.push_back(source_of(layers[i], calibration.layers[i]));
      weights_ += layers[i].weight->numel() + (layers[i].bias->defined() ? layers[i].bias->numel() : 0);
    }
    parameters_ = model.parameter_count();
    check_calibration();
  }

  /// `search`: for the best step of each layer, which later calls then take.
  QuantisedModel run(double lambda, bool search) {
    QuantisedModel result{.other_numbers = parameters_ - weights_, .lambda = lambda};
    for (Source& source : sources_) {
      if (options_.stop != nullptr && options_.stop->load()) throw Stopped();
      result.layers.push_back(search ? with_best_step(source, lambda) : rounded(source, lambda, source.scale));
      result.rise += result.layers.back().rise;
      if (options_.progress) options_.progress(std::ssize(result.layers), std::ssize(sources_));
    }
    return result;
  }

  int64_t size(const QuantisedModel& model) const {
    return options_.size ? options_.size(model) : model.estimated_bytes();
  }

 private:
  /// The last layer matters, whatever the model. If no weight of it is worth a bit, all predictions
  /// were certain, and their curvature is nothing but rounding.
  void check_calibration() const {
    constexpr double kLambda = 1e-6;  // nats for a bit: rather much
    constexpr double kFar = 1000;     // times the largest weight
    const Source& last = sources_.back();
    const auto weights = last.weight.to_vector<double>();
    double largest = 0;
    for (const double weight : weights) largest = std::max(largest, std::abs(weight));
    if (largest > 0 && !(natural_step(last.factors.front(), kLambda) < kFar * largest))
      throw Error(
          "quantise: the model is certain of all pictures of the calibration, so they do not tell which weights "
          "matter: calibrate on pictures that it was not trained on");
  }

  Source source_of(const WeightLayer& layer, const LayerCurvature& curvature) const {
    Source source{layer,
                  layer.weight->value().reshape({layer.rows(), layer.columns()}).to(DType::f64).clone(),
                  layer.bias->defined() ? layer.bias->value().clone() : Tensor(),
                  {},
                  0,
                  {}};
    for (const Curvature& group : curvature.groups) {
      source.bias_follows.push_back(group.bias_follows);
      source.bias_curvature += group.bias / static_cast<double>(curvature.groups.size());
      source.factors.push_back(factorise(group.hessian, options_.damping));
    }
    return source;
  }

  /// All groups of the layer on one grid.
  static QuantisedLayer rounded(const Source& source, double lambda, double scale) {
    const auto step = static_cast<float>(natural_step(source.factors.front(), lambda) * scale);
    QuantisedLayer result{.path = source.layer.path, .shape = source.layer.weight->shape(), .step = step};
    const int64_t groups = std::ssize(source.factors), rows = source.layer.rows() / groups;
    for (int64_t g = 0; g < groups; ++g) {
      const GridMatrix matrix = round_to_grid(source.weight.slice(0, g * rows, (g + 1) * rows),
                                              source.factors[static_cast<size_t>(g)], {.step = step, .lambda = lambda});
      result.codes.insert(result.codes.end(), matrix.codes.begin(), matrix.codes.end());
      result.bits += matrix.bits;
      result.rise += matrix.rise;
    }
    if (source.bias.defined()) round_bias(source, lambda, result);
    return result;
  }

  /// On the grid that is worth its bits: see natural_step().
  static void round_bias(const Source& source, double lambda, QuantisedLayer& layer) {
    constexpr double kLeast = 1e-30;  // of a layer that nothing depends on: all its biases become 0
    const double step = std::sqrt(12 * lambda / (std::log(2.0) * std::max(source.bias_curvature, kLeast)));
    layer.bias_step = static_cast<float>(step);
    for (const double b : followed(source, values_of(layer)).to_vector<double>()) {
      layer.bias_codes.push_back(static_cast<int32_t>(std::lround(b / layer.bias_step)));
      layer.bits += 1 + 2 * std::log2(1.0 + std::abs(layer.bias_codes.back()));
    }
  }

  /// Walks from the step of the last search to where the cost rises again.
  static QuantisedLayer with_best_step(Source& source, double lambda) {
    const double ratio = std::cbrt(2.0);
    const auto cost = [&](const QuantisedLayer& layer) { return layer.rise + lambda * layer.bits; };
    QuantisedLayer best = rounded(source, lambda, source.scale);
    for (const double factor : {ratio, 1 / ratio}) {
      const double before = source.scale;
      for (int tries = 0; tries < 6; ++tries) {
        QuantisedLayer other = rounded(source, lambda, source.scale * factor);
        if (cost(other) >= cost(best)) break;
        best = std::move(other);
        source.scale *= factor;
      }
      if (source.scale != before) break;  // the other way is where it came from
    }
    return best;
  }

  /// The biases, f64, moved by -follow' d_o, with d_o = rounded - original.
  static Tensor followed(const Source& source, const Tensor& weight) {
    const Tensor error = source.weight - weight.reshape(source.weight.shape()).to(DType::f64);
    Tensor bias = source.bias.to(DType::f64).clone();
    const int64_t groups = std::ssize(source.bias_follows), rows = source.layer.rows() / groups;
    for (int64_t g = 0; g < groups; ++g)
      bias.slice(0, g * rows, (g + 1) * rows)
          .add_(matmul(error.slice(0, g * rows, (g + 1) * rows),
                       source.bias_follows[static_cast<size_t>(g)].reshape({-1, 1}))
                    .reshape({rows}));
    return bias;
  }

  const RateDistortionOptions& options_;
  std::vector<Source> sources_;
  int64_t weights_ = 0, parameters_ = 0;
};

/// The largest result of at most `target` bytes, by bisection of log lambda.
QuantisedModel of_size(Quantiser& quantiser, int64_t target) {
  constexpr double kSmallest = 1e-13, kLargest = 1, kCloseEnough = 0.004;  // nats a bit; of the target
  double low = kSmallest, high = kLargest, lambda = 2e-8;                  // low: too large a file
  std::optional<QuantisedModel> best;
  double best_bytes = 0;
  for (int tries = 0; tries < 40 && high / low > 1.002; ++tries) {
    QuantisedModel result = quantiser.run(lambda, tries < 6);
    const auto bytes = static_cast<double>(quantiser.size(result));
    (bytes <= static_cast<double>(target) ? high : low) = lambda;
    if (bytes <= static_cast<double>(target)) {
      if (bytes >= best_bytes) best = std::move(result);
      best_bytes = std::max(best_bytes, bytes);
      if (bytes > static_cast<double>(target) * (1 - kCloseEnough)) break;
    }
    // A factor of 4 in lambda, half the step, is about one bit a weight; once both sides are known, their middle.
    const double guess = lambda * std::pow(bytes / static_cast<double>(target), 4);
    lambda = guess > low && guess < high ? guess : std::sqrt(low * high);
  }
  if (!best) throw Error("quantise: the model does not get as small as " + std::to_string(target) + " B");
  return *std::move(best);
}

}  // namespace

int64_t QuantisedModel::estimated_bytes() const {
  double bits = 0;
  for (const QuantisedLayer& layer : layers) bits += layer.bits;
  return static_cast<int64_t>(std::ceil(bits / 8)) + 2 * other_numbers;
}

void set_weights(Module& model, const QuantisedModel& quantised) {
  const std::vector<WeightLayer> layers = weight_layers(model);
  for (size_t i = 0; i < quantised.layers.size(); ++i) {
    const QuantisedLayer& layer = quantised.layers[i];
    const int64_t biases = std::ssize(layer.bias_codes);
    if (i >= layers.size() || layers[i].path != layer.path || !(layers[i].weight->shape() == layer.shape) ||
        layers[i].bias->defined() != (biases > 0))
      throw Error("set_weights: the model has no layer " + layer.path + " of that shape");
    layers[i].weight->value().copy_(values_of(layer));
    if (biases > 0) layers[i].bias->value().copy_(on_grid(layer.bias_codes, layer.bias_step, {biases}));
  }
}

std::vector<CodedTensor> coded_tensors(Module& model, const QuantisedModel& quantised) {
  std::map<std::string, CodedTensor> grids;
  const auto grid = [](const Shape& shape, float step, const std::vector<int32_t>& numbers) {
    CodedTensor tensor;
    tensor.shape = shape;
    tensor.coding = Coding::grid;
    tensor.step = step;
    tensor.numbers = numbers;
    return tensor;
  };
  for (const QuantisedLayer& layer : quantised.layers) {
    const std::string prefix = layer.path.empty() ? "" : layer.path + '/';
    grids[prefix + "weight"] = grid(layer.shape, layer.step, layer.codes);
    grids[prefix + "bias"] = grid({std::ssize(layer.bias_codes)}, layer.bias_step, layer.bias_codes);
  }
  std::vector<CodedTensor> result;
  for (const NamedParameter& parameter : model.named_parameters()) {
    const auto found = grids.find(parameter.name);
    result.push_back(found != grids.end() ? found->second
                                          : plain_tensor(parameter.name, parameter.value.value(), "F16"));
    result.back().name = parameter.name;
  }
  return result;
}

QuantisedModel quantise(Module& model, const Calibration& calibration, const RateDistortionOptions& options) {
  if ((options.lambda > 0) == (options.target_bytes > 0))
    throw Error("quantise: give a lambda or a target in bytes, both above 0, but not both");
  Quantiser quantiser(model, calibration, options);
  QuantisedModel result =
      options.lambda > 0 ? quantiser.run(options.lambda, true) : of_size(quantiser, options.target_bytes);
  set_weights(model, result);
  return result;
}

}  // namespace kindling
