#include <kindling/train/dead_layers.h>

#include <algorithm>
#include <set>

#include <kindling/nn/freeze.h>
#include <kindling/nn/observer.h>
#include <kindling/optim/gradients.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {
namespace {

// Softmax's gradient of a sample that is learned by heart is smaller than its loss, and 0 once it underflows.
constexpr double kNothingToLearn = 1e-6;

bool is_zero(const Tensor& x) {
  const Tensor values = x.contiguous();
  return visit(values.dtype(), [&](auto t) {
    const auto* first = values.data<decltype(t)>();
    return std::all_of(first, first + values.numel(), [](auto value) { return value == 0; });
  });
}

/// Whether the samples of x [N, ...] differ.
bool varies(const Tensor& x) {
  if (x.rank() == 0) return false;
  const Tensor first = x.slice(0, 0, 1);
  for (int64_t n = 1; n < x.size(0); ++n)
    if (!is_zero(x.slice(0, n, n + 1) - first)) return true;
  return false;
}

/// What a layer with parameters, and what follows it up to the next one, give for some input.
struct LayerOutput {
  std::string path;
  bool zero = false;    ///< one of the outputs is 0 everywhere
  bool varies = false;  ///< the last output is not the same for all samples
};

/// In the order of the forward pass.
std::vector<LayerOutput> outputs_for(Module& model, const Tensor& input) {
  std::set<std::string> owners;
  for (const auto& [name, parameter] : model.named_parameters()) owners.insert(layer_of(name));
  std::vector<LayerOutput> found;
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  const CallObserver observer([&](Module&, const std::string& path, const Variable&, const Variable& output) {
    if (owners.contains(path)) found.push_back({path});
    if (found.empty()) return;
    found.back().zero = found.back().zero || is_zero(output.value());
    found.back().varies = varies(output.value());
  });
  model(input);
  return found;
}

}  // namespace

DeadLayers::DeadLayers(Module& model) {
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string path = layer_of(name);
    if (layers_.empty() || layers_.back().path != path) layers_.push_back({.path = path, .parameters = {}});
    layers_.back().parameters.push_back(parameter);
  }
}

bool DeadLayers::learns(const Layer& layer) {
  return std::any_of(layer.parameters.begin(), layer.parameters.end(), has_grad);
}

bool DeadLayers::is_silent(const Layer& layer) {
  return learns(layer) && std::all_of(layer.parameters.begin(), layer.parameters.end(),
                                      [](const Variable& p) { return !has_grad(p) || is_zero(p.grad()); });
}

bool DeadLayers::first_learns() const {
  const auto first = std::find_if(layers_.begin(), layers_.end(), learns);
  return first != layers_.end() && first->silent == 0;
}

bool DeadLayers::ends_training(const Layer& layer) const {
  return is_dead(layer) && (layer.outputs() >= kFewOutputs || !first_learns());
}

bool DeadLayers::look(double loss, bool same_output) {
  const bool learning = loss >= kNothingToLearn;
  for (Layer& layer : layers_) layer.silent = learning && is_silent(layer) ? layer.silent + 1 : 0;
  same_output_ = learning && same_output ? same_output_ + 1 : 0;
  return same_output_ >= kUpdates ||
         std::any_of(layers_.begin(), layers_.end(), [this](const Layer& layer) { return ends_training(layer); });
}

std::string DeadLayers::describe(Module& model, const Tensor& input) const {
  const auto dead =
      std::find_if(layers_.rbegin(), layers_.rend(), [this](const Layer& layer) { return ends_training(layer); });
  const std::string updates = std::to_string(kUpdates) + " updates";
  if (dead == layers_.rend())
    return "the network has given every sample the same output for " + updates + ": it learns nothing from the inputs";
  // The reason is the first zero behind which nothing depends on the input; or, if the signal passes it, the first that
  // is no small branch.
  const std::vector<LayerOutput> outputs = outputs_for(model, input);
  const auto has_many = [&](const std::string& path) {
    return std::any_of(layers_.begin(), layers_.end(),
                       [&](const Layer& layer) { return layer.path == path && layer.outputs() >= kFewOutputs; });
  };
  auto cause = outputs.end();
  for (auto one = outputs.begin(); one != outputs.end() && cause == outputs.end(); ++one)
    if (one->zero && std::none_of(one + 1, outputs.end(), [](const LayerOutput& later) { return later.varies; }))
      cause = one;
  for (auto one = outputs.begin(); one != outputs.end() && cause == outputs.end(); ++one)
    if (one->zero && has_many(one->path)) cause = one;
  if (cause != outputs.end())
    return cause->path +
           " is dead: its ReLU is 0 for every sample, so that nothing behind it gets a signal and nothing before it a "
           "gradient; " +
           updates + " have changed nothing";
  return (dead->path.empty() ? "the model" : dead->path) + " is dead: its gradient has been exactly 0 for " + updates;
}

}  // namespace kindling
