// Pooling layers. Activations are [N,H,W,C].
#pragma once

#include <kindling/nn/module.h>
#include <kindling/tensor/pool.h>

namespace kindling {

/// Largest pixel of each window: [N,H,W,C] -> [N,H',W',C] (see pool2d_shape).
class MaxPool2d final : public Module {
 public:
  explicit MaxPool2d(const Pool2dOptions& options) : options_(options) {}
  std::string kind() const override { return "MaxPool2d"; }
  std::optional<Shape> output_shape(const Shape& input) const override;
  const Pool2dOptions& options() const { return options_; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  Pool2dOptions options_;
};

/// Mean of each window: [N,H,W,C] -> [N,H',W',C].
class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(const Pool2dOptions& options) : options_(options) {}
  std::string kind() const override { return "AvgPool2d"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  Pool2dOptions options_;
};

/// Mean of each channel over all pixels: [N,H,W,C] -> [N,C].
class GlobalAvgPool : public Module {
 public:
  std::string kind() const override { return "GlobalAvgPool"; }

 protected:
  Variable forward(const Variable& x) override;
};

}  // namespace kindling
