// Stochastic gradient descent with momentum.
#pragma once

#include <kindling/optim/optimizer.h>

namespace kindling {

/// Whether the learning rate multiplies the velocity or goes into it. The two agree while lr is
/// constant. When lr falls, old gradients in Caffe's form keep their old, larger rate.
enum class MomentumForm {
  pytorch,  ///< v = mu v + g;     w -= lr v
  caffe,    ///< v = mu v + lr g;  w -= v
};

struct SGDOptions {
  double lr = 0.01;
  double momentum = 0.0;      ///< mu
  double weight_decay = 0.0;  ///< L2: g += weight_decay w
  double dampening = 0.0;     ///< g enters v times 1 - dampening, but for the first time (as in PyTorch)
  bool nesterov = false;      ///< looks ahead: w -= lr (g + mu v), in Caffe's form w -= mu v + lr g
  MomentumForm form = MomentumForm::pytorch;
};

/// Its moment is "velocity" (v), zeros at the start.
class SGD : public Optimizer {
 public:
  SGD(Variables parameters, const SGDOptions& options);
  /// Throws ShapeError for values outside their range (lr, momentum,
  /// weight_decay >= 0; Nesterov needs momentum, no dampening).
  SGD(std::vector<ParameterGroup> groups, const SGDOptions& options);

 protected:
  const char* name() const override { return "sgd"; }
  std::vector<std::string> moment_names(const Shape&) const override { return {"velocity"}; }
  void update(Slot& slot) override;

 private:
  SGDOptions options_;
};

}  // namespace kindling
