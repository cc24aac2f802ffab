#include <kindling/compress/layers.h>

#include <utility>

#include <kindling/nn/name_pattern.h>

namespace kindling {

namespace {

class LayerVisitor final : public Visitor {
 public:
  explicit LayerVisitor(Module& model) : module_(&model) { model.visit(*this); }
  void operator()(std::string_view name, Variable& parameter) override {
    if (!parameter.defined()) return;
    if (name == "weight" && parameter.rank() >= 2) layers.push_back({path_, module_, parameter, {}});
    if (name == "bias" && !layers.empty() && layers.back().module == module_) layers.back().bias = parameter;
  }
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view name, Module& child) override {
    const std::string path = path_;
    Module* const owner = std::exchange(module_, &child);
    path_.append(path_.empty() ? "" : "/").append(name);
    child.visit(*this);
    path_ = path;
    module_ = owner;
  }

  std::vector<WeightLayer> layers;

 private:
  Module* module_;
  std::string path_;
};

}  // namespace

std::vector<WeightLayer> weight_layers(Module& model, const std::string& user) {
  std::vector<WeightLayer> layers = LayerVisitor(model).layers;
  for (const WeightLayer& layer : layers)
    if (!all_finite(layer.weight.value())) throw Error(user + ": the weight of " + layer.path + " holds a NaN or Inf");
  if (layers.empty()) throw Error(user + ": the model has no convolution and no fully connected layer");
  return layers;
}

std::vector<int64_t> first_matches(const std::vector<WeightLayer>& layers, const std::vector<std::string>& patterns,
                                   const std::string& user) {
  std::vector<int64_t> matches(layers.size(), -1);
  for (size_t p = 0; p < patterns.size(); ++p) {
    const NamePattern pattern(user, patterns[p]);
    bool fits = false;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (!pattern.matches(layers[i].path)) continue;
      fits = true;
      if (matches[i] < 0) matches[i] = static_cast<int64_t>(p);
    }
    if (fits) continue;
    std::string names;
    for (const WeightLayer& layer : layers) names += (names.empty() ? "" : ", ") + layer.path;
    throw Error(user + ": \"" + patterns[p] + "\" matches no layer; there are " + names);
  }
  return matches;
}

}  // namespace kindling
