#include <kindling/compress/weight_layers.h>

#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/tensor/conv_patches.h>

namespace kindling {
namespace {

class Walk final : public Visitor {
 public:
  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view name, std::unique_ptr<Module>& child) override { (*this)(name, *child); }
  void operator()(std::string_view name, Module& child) override {
    const std::string outer = path_;
    if (!path_.empty()) path_ += '/';
    path_ += name;
    parts.emplace_back(path_, &child);
    child.visit(*this);
    path_ = outer;
  }

  std::vector<std::pair<std::string, Module*>> parts;

 private:
  std::string path_;
};

}  // namespace

std::vector<std::pair<std::string, Module*>> parts_with_paths(Module& model) {
  Walk walk;
  walk.parts.emplace_back("", &model);
  model.visit(walk);
  return std::move(walk.parts);
}

Tensor WeightLayer::inputs(const Tensor& x, int64_t group) const {
  if (const auto* const conv = dynamic_cast<const Conv2d*>(layer))
    return conv2d_patches(x, weight->shape(), conv->options(), group);
  return x.reshape({-1, columns()});
}

std::vector<WeightLayer> weight_layers(Module& model) {
  std::vector<WeightLayer> found;
  for (const auto& [path, part] : parts_with_paths(model)) {
    if (auto* const conv = dynamic_cast<Conv2d*>(part))
      found.push_back({path, conv, &conv->weight, &conv->bias, conv->options().groups});
    if (auto* const linear = dynamic_cast<Linear*>(part))
      found.push_back({path, linear, &linear->weight, &linear->bias});
  }
  return found;
}

}  // namespace kindling
