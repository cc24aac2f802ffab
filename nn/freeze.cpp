#include <kindling/nn/freeze.h>

#include <algorithm>

#include <kindling/nn/name_pattern.h>
#include <kindling/tensor/check.h>

namespace kindling {
namespace {

/// The members of one module, without those of its parts.
struct Members final : Visitor {
  Variables parameters;
  std::vector<Module*> parts;

  explicit Members(Module& module) { module.visit(*this); }
  void operator()(std::string_view, Variable& parameter) override {
    if (parameter.defined()) parameters.push_back(parameter);
  }
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view, Module& child) override { parts.push_back(&child); }
};

/// "conv1, fire2/squeeze, ..."
std::string layers(Module& model) {
  std::string text, last;
  for (const NamedParameter& parameter : model.named_parameters())
    if (const std::string layer = layer_of(parameter.name); layer != last) {
      text += (text.empty() ? "" : ", ") + layer;
      last = layer;
    }
  return text;
}

}  // namespace

std::vector<std::string> freeze(Module& model, const std::string& regex) {
  const NamePattern pattern("freeze", regex);
  std::vector<std::string> frozen;
  for (NamedParameter& parameter : model.named_parameters()) {
    if (!pattern.matches(parameter.name)) continue;
    parameter.value.set_requires_grad(false);
    frozen.push_back(parameter.name);
  }
  if (frozen.empty())
    throw Error("freeze: \"" + regex + "\" matches no parameter; they are the weights and biases of " + layers(model));
  return frozen;
}

std::vector<NamedParameter> trainable(Module& model) {
  std::vector<NamedParameter> result = model.named_parameters();
  std::erase_if(result, [](const NamedParameter& parameter) { return !parameter.value.requires_grad(); });
  return result;
}

std::string layer_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

std::string head_of(Module& model) {
  const std::vector<NamedParameter> parameters = model.named_parameters();
  if (parameters.empty()) throw Error("head_of: the model has no parameters");
  return layer_of(parameters.back().name);
}

FrozenLayers::FrozenLayers(Module& model) { hold(model); }

void FrozenLayers::hold(Module& module) {
  const Members members(module);
  for (Module* part : members.parts) hold(*part);
  const auto is_frozen = [](const Variable& parameter) { return !parameter.requires_grad(); };
  const bool is_layer = members.parts.empty() && !members.parameters.empty();
  if (!is_layer || !module.training() || !std::all_of(members.parameters.begin(), members.parameters.end(), is_frozen))
    return;
  module.eval();
  held_.push_back(&module);
}

FrozenLayers::~FrozenLayers() {
  for (Module* module : held_) module->train();
}

}  // namespace kindling
