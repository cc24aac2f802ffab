// Adam and AdamW.
#pragma once

#include <kindling/optim/optimizer.h>

namespace kindling {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;  ///< what schedules of momentum change
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
};

/// Kingma and Ba, arXiv:1412.6980, algorithm 1, t counting the updates of a parameter:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
/// Weight decay is L2: g += weight_decay w. Moments: "m", "v".
class Adam : public Optimizer {
 public:
  Adam(Variables parameters, const AdamOptions& options = {});
  /// Throws ShapeError for values outside their range (betas in [0, 1), the others >= 0).
  Adam(std::vector<ParameterGroup> groups, const AdamOptions& options = {});

 protected:
  Adam(std::vector<ParameterGroup> groups, const AdamOptions& options, bool decoupled);
  const char* name() const override { return decoupled_ ? "adamw" : "adam"; }
  std::vector<std::string> moment_names(const Shape&) const override { return {"m", "v"}; }
  void update(Slot& slot) override;

 private:
  AdamOptions options_;
  bool decoupled_;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101, algorithm 2). Instead
/// of L2, the decay is part of the update:
///   w -= lr weight_decay w
/// As in PyTorch, lr is the whole learning rate, not the factor of the schedule alone.
class AdamW : public Adam {
 public:
  AdamW(Variables parameters, const AdamOptions& options = {.weight_decay = 0.01});
  AdamW(std::vector<ParameterGroup> groups, const AdamOptions& options = {.weight_decay = 0.01});
};

}  // namespace kindling
