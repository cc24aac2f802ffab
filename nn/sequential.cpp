#include <kindling/nn/sequential.h>

#include <algorithm>

namespace kindling {

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
  for (Entry& entry : layers_) y = (*entry.layer)(y);
  return y;
}

}  // namespace kindling
