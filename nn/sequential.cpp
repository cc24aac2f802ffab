#include <kindling/nn/sequential.h>

namespace kindling {

Module& Sequential::add(std::string name, std::unique_ptr<Module> layer) {
  parts_changed();
  return layers_.add(std::move(name), std::move(layer));
}

void Sequential::add(Chain layers) {
  parts_changed();
  layers_.add(std::move(layers));
}

}  // namespace kindling
