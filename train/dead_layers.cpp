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

/// The layer with parameters behind which the outputs for `input` are first all 0, "" if there is
/// none.
std::string first_zero_output(Module& model, const Tensor& input) {
  std::set<std::string> owners;
  for (const auto& [name, parameter] : model.named_parameters()) owners.insert(layer_of(name));
  std::string latest, found;
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  const CallObserver observer([&](Module&, const std::string& path, const Variable&, const Variable& output) {
    if (owners.contains(path)) latest = path;
    if (found.empty() && is_zero(output.value())) found = latest;
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

bool DeadLayers::is_silent(const Layer& layer) {
  bool looked = false;
  for (const Variable& parameter : layer.parameters) {
    if (!parameter.requires_grad() || !parameter.grad().defined()) continue;
    if (!is_zero(parameter.grad())) return false;
    looked = true;
  }
  return looked;
}

bool DeadLayers::look(double loss, bool same_output) {
  const bool learning = loss >= kNothingToLearn;
  for (Layer& layer : layers_) layer.silent = learning && is_silent(layer) ? layer.silent + 1 : 0;
  same_output_ = learning && same_output ? same_output_ + 1 : 0;
  return same_output_ >= kUpdates || std::any_of(layers_.begin(), layers_.end(), is_dead);
}

std::string DeadLayers::describe(Module& model, const Tensor& input) const {
  const auto dead = std::find_if(layers_.rbegin(), layers_.rend(), is_dead);
  const std::string updates = std::to_string(kUpdates) + " updates";
  if (dead == layers_.rend())
    return "the network has given every sample the same output for " + updates + ": it learns nothing from the inputs";
  const std::string zero = first_zero_output(model, input);
  if (!zero.empty())
    return zero + " is dead: its ReLU is 0 for every sample, so that nothing behind it gets a signal and nothing " +
           "before it a gradient; " + updates + " have changed nothing";
  return (dead->path.empty() ? "the model" : dead->path) + " is dead: its gradient has been exactly 0 for " + updates;
}

}  // namespace kindling
