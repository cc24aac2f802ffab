// Layers one after another.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Feeds its input through named layers in the order of adding; a Conv2d and the MaxPool2d behind it as one
/// (Conv2d::then).
class Sequential : public Module {
 public:
  /// Moves `layer` in and returns it in its new place, which stays valid as long as this does (moved or not).
  /// Throws Error if the name is taken, empty or contains '/'.
  template <class Layer>
  requires std::is_base_of_v<Module, Layer> Layer& add(std::string name, Layer layer) {
    auto owned = std::make_unique<Layer>(std::move(layer));
    Layer& result = *owned;
    add(std::move(name), std::unique_ptr<Module>(std::move(owned)));
    return result;
  }
  Module& add(std::string name, std::unique_ptr<Module> layer);

  int64_t size() const { return static_cast<int64_t>(layers_.size()); }
  /// Throws Error, naming the layers there are, if there is none of this name.
  Module& at(std::string_view name);

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Sequential"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<Module> layer;
  };
  std::vector<Entry> layers_;
};

}  // namespace kindling
