#include <kindling/nn/pool.h>

#include <kindling/autograd/ops/pool.h>

namespace kindling {

Variable MaxPool2d::forward(const Variable& x) { return max_pool2d(x, options_); }

std::optional<Shape> MaxPool2d::output_shape(const Shape& input) const {
  return pool2d_shape("max_pool2d", input, options_);
}

Variable AvgPool2d::forward(const Variable& x) { return avg_pool2d(x, options_); }
Variable GlobalAvgPool::forward(const Variable& x) { return global_avg_pool(x); }

}  // namespace kindling
