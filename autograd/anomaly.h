// Anomaly mode's checks, for record() and the engine.
#pragma once

#include <kindling/autograd/node.h>

namespace kindling::detail {

bool anomaly_mode();
/// Switches the checks off while a gradient rule runs, so that the operation is named and not the rule's own parts.
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
