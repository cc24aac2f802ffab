// The fully connected layer.
#pragma once

#include <kindling/nn/init.h>
#include <kindling/nn/module.h>

namespace kindling {

struct LinearOptions {
  bool bias = true;
  bool relu = false;  ///< the layer's output is max(0, x W^T + b)
  Initializer init = init::kaiming_uniform();
  Initializer bias_init = init::zeros();
};

/// y = x W^T + b, or the ReLU of that: x [..., in] -> [..., out]; weight [out, in], bias [out].
/// Throws ShapeError if the last axis of x is not `in`.
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, const LinearOptions& options, Rng& rng);
  Linear(int64_t in, int64_t out, Rng& rng) : Linear(in, out, {}, rng) {}

  Variable weight, bias;

  bool relu() const { return relu_; }

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Linear"; }
  int64_t macs(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  bool relu_;
};

}  // namespace kindling
