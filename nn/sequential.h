// Layers one after another, as a module.
#pragma once

#include <kindling/nn/chain.h>

namespace kindling {

/// Feeds its input through named layers in the order of adding: x -> layer_n(... layer_1(x)).
class Sequential : public Module {
 public:
  /// Moves `layer` in and returns it in its new place, which stays valid as long as this does
  /// (moved or not). Throws Error if the name is taken, empty or contains '/'.
  template <class Layer>
  requires std::is_base_of_v<Module, Layer> Layer& add(std::string name, Layer layer) {
    parts_changed();
    return layers_.add(std::move(name), std::move(layer));
  }
  Module& add(std::string name, std::unique_ptr<Module> layer);
  /// Appends the layers of a Chain.
  void add(Chain layers);

  int64_t size() const { return layers_.size(); }
  /// Throws Error, naming the layers there are, if there is none of this name.
  Module& at(std::string_view name) { return layers_.at(name); }
  Chain& layers() { return layers_; }

  void visit(Visitor& visitor) override { layers_.visit(visitor); }
  std::string kind() const override { return "Sequential"; }
  std::optional<Shape> output_shape(const Shape& input) const override { return layers_.output_shape(input); }

 protected:
  Variable forward(const Variable& x) override { return layers_(x); }
  Variable forward_to(const Variable& x, const Out& out) override { return layers_(x, out); }

 private:
  Chain layers_;
};

}  // namespace kindling
