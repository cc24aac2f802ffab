#include <kindling/nn/sequential.h>

#include <algorithm>
#include <typeinfo>

#include <kindling/nn/conv.h>
#include <kindling/nn/pool.h>

namespace kindling {
namespace {

/// `layer` if it is of just this class: one derived from it may compute something else.
template <class Layer>
Layer* as(Module& layer) {
  return typeid(layer) == typeid(Layer) ? static_cast<Layer*>(&layer) : nullptr;
}

}  // namespace

Module& Sequential::add(std::string name, std::unique_ptr<Module> layer) {
  if (name.empty() || name.find('/') != std::string::npos)
    throw Error("Sequential: '" + name + "' is no name for a layer: it must not be empty or contain '/'");
  const bool taken = std::any_of(layers_.begin(), layers_.end(), [&](const Entry& e) { return e.name == name; });
  if (taken) throw Error("Sequential: there is a layer '" + name + "' already");
  layers_.push_back({std::move(name), std::move(layer)});
  parts_changed();
  return *layers_.back().layer;
}

Module& Sequential::at(std::string_view name) {
  std::string names;
  for (const Entry& entry : layers_) {
    if (entry.name == name) return *entry.layer;
    names += ' ' + entry.name;
  }
  throw Error("Sequential: no layer '" + std::string(name) + "'; there are:" + names);
}

void Sequential::visit(Visitor& visitor) {
  for (Entry& entry : layers_) visitor(entry.name, *entry.layer);
}

Variable Sequential::forward(const Variable& x) {
  Variable y = x;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Conv2d* const conv = as<Conv2d>(*layers_[i].layer);
    MaxPool2d* const pool = i + 1 < layers_.size() ? as<MaxPool2d>(*layers_[i + 1].layer) : nullptr;
    if (conv != nullptr && pool != nullptr) {
      y = conv->then(*pool, y);
      ++i;
    } else {
      y = (*layers_[i].layer)(y);
    }
  }
  return y;
}

}  // namespace kindling
