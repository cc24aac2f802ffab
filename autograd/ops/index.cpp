#include <kindling/autograd/ops/index.h>

#include <kindling/autograd/record.h>

namespace kindling {

Variable gather(const Variable& x, int64_t axis, const Variable& index) {
  return record(
      "gather", gather(x.value(), axis, index.value()), {x, index}, Keep::others,
      [axis](const Step& s) { return scatter_add(s.grad, axis, s.input(1), s.input_shape(0)); },  // dL/dx
      NoGradient());                                                                              // index
}

Variable scatter_add(const Variable& src, int64_t axis, const Variable& index, const Shape& shape) {
  return record(
      "scatter_add", scatter_add(src.value(), axis, index.value(), shape), {src, index}, Keep::others,
      [axis](const Step& s) { return gather(s.grad, axis, s.input(1)); },  // dL/dsrc
      NoGradient());                                                       // index
}

}  // namespace kindling
