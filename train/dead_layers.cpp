#include <kindling/train/dead_layers.h>

#include <algorithm>
#include <set>

#include <kindling/nn/freeze.h>
#include <kindling/nn/observer.h>

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

/// The layers with parameters behind which an output for `input` is all 0, in the order of the
/// forward pass.
std::vector<std::string> zero_outputs(Module& model, const Tensor& input) {
  std::set<std::string> owners;
  for (const auto& [name, parameter] : model.named_parameters()) owners.insert(layer_of(name));
  std::string latest;
  std::vector<std::string> found;
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  const CallObserver observer([&](Module&, const std::string& path, const Variable&, const Variable& output) {
    if (owners.contains(path)) latest = path;
    if (!latest.empty() && (found.empty() || found.back() != latest) && is_zero(output.value()))
      found.push_back(latest);
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
  return std::any_of(layer.parameters.begin(), layer.parameters.end(),
                     [](const Variable& p) { return p.requires_grad() && p.grad().defined(); });
}

bool DeadLayers::is_silent(const Layer& layer) {
  return learns(layer) && std::all_of(layer.parameters.begin(), layer.parameters.end(), [](const Variable& p) {
           return !p.requires_grad() || !p.grad().defined() || is_zero(p.grad());
         });
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
  const std::vector<std::string> zero = zero_outputs(model, input);
  const auto has_many = [&](const std::string& path) {
    return std::any_of(layers_.begin(), layers_.end(),
                       [&](const Layer& layer) { return layer.path == path && layer.outputs() >= kFewOutputs; });
  };
  auto cause = std::find_if(zero.begin(), zero.end(), has_many);
  if (cause == zero.end() && !first_learns()) cause = zero.begin();
  if (cause != zero.end())
    return *cause +
           " is dead: its ReLU is 0 for every sample, so that nothing behind it gets a signal and nothing before it a "
           "gradient; " +
           updates + " have changed nothing";
  return (dead->path.empty() ? "the model" : dead->path) + " is dead: its gradient has been exactly 0 for " + updates;
}

}  // namespace kindling
