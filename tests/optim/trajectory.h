// Runs an optimiser on known gradients and compares with a recurrence written out in the test.
#pragma once

#include <functional>
#include <vector>

#include <catch2/catch.hpp>

#include <kindling/optim/optimizer.h>

namespace kindling {

/// One parameter of one element.
inline Variable scalar_parameter(double value, DType dtype = DType::f64) {
  return Variable(Tensor::full({1}, value, dtype), true);
}

inline void set_grad(Variable parameter, double value) {
  parameter.grad() = Tensor::full(parameter.shape(), value, parameter.dtype());
}

/// Feeds `grads` to the optimiser one by one; after each step the parameter must be what
/// `expected(grad)` returns.
inline void check_trajectory(Optimizer& optimizer, const Variable& parameter, const std::vector<double>& grads,
                             const std::function<double(double grad)>& expected) {
  for (const double grad : grads) {
    set_grad(parameter, grad);
    optimizer.step();
    // The same operations in double, perhaps contracted to fused ones.
    CHECK_THAT(parameter.item(), Catch::WithinRel(expected(grad), 1e-13));
  }
}

}  // namespace kindling
