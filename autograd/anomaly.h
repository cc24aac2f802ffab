// Anomaly mode's checks, for record() and the engine.
#pragma once

#include <kindling/autograd/node.h>

namespace kindling::detail {

bool anomaly_mode();
/// Switches the checks off while a gradient rule runs. So the error names the operation, and not a
/// part of its rule.
class AnomalyPause {
 public:
  AnomalyPause();
  ~AnomalyPause();
  AnomalyPause(const AnomalyPause&) = delete;
  AnomalyPause& operator=(const AnomalyPause&) = delete;

 private:
  bool before_;
};
/// Throws Error if `gradient`, of input i of `node`, has a NaN or Inf.
void inspect_gradient(const Node& node, size_t i, const Tensor& gradient);

}  // namespace kindling::detail
