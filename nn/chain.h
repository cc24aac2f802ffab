// Layers one after another, and such rows side by side.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/nn/module.h>

namespace kindling {

/// Named layers, one after another: x -> layer_n(... layer_1(x)). Without layers it is the
/// identity. It is no module: its layers belong to the module that owns it, under that module's
/// path. So a Sequential is one Chain, and a Fire module has one for each of its convolutions.
///
/// Whether neighbours run in one pass is decided here and nowhere else. A Conv2d and the MaxPool2d
/// behind it do, and in training a BatchNorm2d and a MaxPool2d: the map between the two is never
/// held as a whole (tensor/conv_pool.h, tensor/norm_pool.h).
class Chain {
 public:
  /// Appends `layer` and returns it in its new place, which stays valid as long as this does (moved
  /// or not). Throws Error if the name is taken, empty or contains '/'.
  template <class Layer>
  requires std::is_base_of_v<Module, Layer> Layer& add(std::string name, Layer layer) {
    auto owned = std::make_unique<Layer>(std::move(layer));
    Layer& result = *owned;
    add(std::move(name), std::unique_ptr<Module>(std::move(owned)));
    return result;
  }
  Module& add(std::string name, std::unique_ptr<Module> layer);
  /// Appends the layers of another one.
  void add(Chain layers);

  int64_t size() const { return static_cast<int64_t>(layers_.size()); }
  /// Throws Error, naming the layers there are, if there is none of this name.
  Module& at(std::string_view name);
  /// Layer number `index`, from 0.
  Module& operator[](int64_t index) { return *layers_[static_cast<size_t>(index)].layer; }
  /// The layers, in their order.
  void visit(Visitor& visitor) { visit(visitor, 0, size()); }
  /// The layers [begin, end) alone.
  void visit(Visitor& visitor, int64_t begin, int64_t end);

  /// The last layer writes to `out` if it can (see Module).
  Variable operator()(const Variable& x, const Out& out = {}) const { return run(x, 0, size(), out); }
  /// sum + (*this)(x). In training, a BatchNorm2d at the end adds to the memory of `sum`, where
  /// nothing else sees it.
  Variable add_onto(Variable&& sum, const Variable& x) const;
  /// The layers [begin, end) alone.
  Variable run(const Variable& x, int64_t begin, int64_t end, const Out& out = {}) const;
  /// See Module::output_shape.
  std::optional<Shape> output_shape(const Shape& input) const;

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<Module> layer;
  };
  std::vector<Entry> layers_;
};

/// concat({parts[0](x), parts[1](x), ...}, axis 3): the parts side by side on the same input
/// [N,H,W,C], their channels joined: [N,H',W',C_0 + C_1 + ...]. Each part writes to its slice of
/// the result where it can, so that nothing is copied.
Variable concat_channels(const Variable& x, std::initializer_list<const Chain*> parts);

}  // namespace kindling
