#include <kindling/nn/layer_range.h>

#include <kindling/tensor/check.h>

namespace kindling {

LayerRange::LayerRange(Sequential& whole, int64_t begin, int64_t end) : whole_(whole), begin_(begin), end_(end) {
  check(0 <= begin && begin <= end && end <= whole.size(), "LayerRange", "there are no layers ", begin, " to ", end,
        " among ", whole.size());
}

}  // namespace kindling
