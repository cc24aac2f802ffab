// The fully connected layer.
#pragma once

#include <kindling/nn/init.h>
#include <kindling/nn/module.h>

namespace kindling {

struct LinearOptions {
  bool bias = true;
  Initializer init = init::kaiming_uniform();
  Initializer bias_init = init::zeros();
};

/// y = x W^T + b: x [..., in] -> [..., out]; weight [out, in], bias [out].
/// Throws ShapeError if the last axis of x is not `in`.
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, const LinearOptions& options, Rng& rng);
  Linear(int64_t in, int64_t out, Rng& rng) : Linear(in, out, {}, rng) {}

  Variable weight, bias;

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Linear"; }
  int64_t macs(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;
};

}  // namespace kindling
