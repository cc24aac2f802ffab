#include <kindling/nn/lsuv.h>

#include <cmath>

#include <kindling/nn/observer.h>
#include <kindling/tensor/reduce.h>

namespace kindling {
namespace {

/// Weight and bias of a module, where it has them itself.
struct Scalable : Visitor {
  explicit Scalable(Module& module) { module.visit(*this); }
  void operator()(std::string_view name, Variable& parameter) override {
    if (!parameter.defined()) return;  // a bias that is switched off
    if (name == "weight" && parameter.rank() >= 2) is_layer = true;
    parameters.push_back(parameter);
  }
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view, Module&) override {}

  bool is_layer = false;
  Variables parameters;
};

/// Layers with weights, in the order in which they are called.
std::vector<Module*> weighted_layers(Module& model, const Tensor& batch) {
  std::vector<Module*> layers;
  const CallObserver observer([&](Module& module, const std::string&, const Variable&, const Variable&) {
    if (Scalable(module).is_layer) layers.push_back(&module);
  });
  model(batch);
  return layers;
}

double output_rms(Module& model, const Module* layer, const Tensor& batch) {
  double rms = 0;
  const CallObserver observer([&](Module& module, const std::string&, const Variable&, const Variable& output) {
    if (&module != layer) return;
    const Tensor y = output.value().contiguous();
    rms = std::sqrt(dot(y, y) / static_cast<double>(y.numel()));
  });
  model(batch);
  return rms;
}

}  // namespace

void scale_to_unit_variance(Module& model, const Tensor& batch) {
  const EvaluationMode evaluation(model);
  const NoGrad no_grad;
  std::vector<Module*> layers = weighted_layers(model, batch);
  if (!layers.empty()) layers.pop_back();
  for (Module* layer : layers) {
    const double rms = output_rms(model, layer, batch);
    if (!(rms > 0) || !std::isfinite(rms)) continue;
    for (Variable& parameter : Scalable(*layer).parameters) parameter.value().mul_(1 / rms);
  }
}

}  // namespace kindling
