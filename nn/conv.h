// The convolution layer.
#pragma once

#include <kindling/nn/init.h>
#include <kindling/nn/module.h>
#include <kindling/tensor/conv.h>

namespace kindling {

/// As Conv2dOptions, with what only a layer has.
struct ConvOptions {
  Size2 kernel;        ///< pixels
  Size2 stride = 1;    ///< pixels
  Size2 padding = 0;   ///< pixels of zeros on each side
  Size2 dilation = 1;  ///< pixels between neighbouring taps
  int64_t groups = 1;  ///< both channel counts must be multiples of it
  bool bias = true;
  bool relu = false;  ///< the layer's output is the ReLU of the convolution's
  Initializer init = init::kaiming_uniform();
  Initializer bias_init = init::zeros();
};

/// conv2d (see tensor/conv.h) with a weight [out, KH, KW, in/groups] and a bias [out] of its own: x
/// [N,H,W,in] -> [N,H',W',out], or the ReLU of that. Throws ShapeError, at construction if the
/// options do not fit together.
class Conv2d final : public Module {
 public:
  Conv2d(int64_t in, int64_t out, const ConvOptions& options, Rng& rng);

  Variable weight, bias;

  const Conv2dOptions& options() const { return options_; }
  bool relu() const { return relu_; }
  /// How it and its gradients are computed for images [N,H,W,in].
  ConvMethods methods(const Shape& input) const { return conv2d_methods(input, weight.shape(), options_); }

  void visit(Visitor& visitor) override;
  std::string kind() const override { return "Conv2d"; }
  int64_t macs(const Shape& input, const Shape& output) const override;
  std::optional<Shape> output_shape(const Shape& input) const override;

 protected:
  Variable forward(const Variable& x) override { return forward_to(x, {}); }
  Variable forward_to(const Variable& x, const Out& out) override;

 private:
  Conv2dOptions options_;
  bool relu_;
};

}  // namespace kindling
