// Layers without parameters or state: activations and Flatten.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include <kindling/nn/module.h>

namespace kindling {

/// Lifts a function into a layer: `net.add("relu1", Fn(relu))`.
class Fn : public Module {
 public:
  using Function = Variable (*)(const Variable&);
  explicit Fn(Function function) : Fn("Fn", function) {}
  /// `kind` is what summaries call it.
  Fn(std::string kind, Function function) : kind_(std::move(kind)), function_(function) {}
  /// A function object, such as a lambda that captures options.
  template <class F>
  requires(std::is_invocable_r_v<Variable, F, const Variable&> && !std::is_convertible_v<F, Function>)
      Fn(std::string kind, F function)
      : kind_(std::move(kind)), function_(std::move(function)) {}

  std::string kind() const override { return kind_; }

 protected:
  Variable forward(const Variable& x) override { return function_(x); }

 private:
  std::string kind_;
  std::function<Variable(const Variable&)> function_;
};

// The usual activations as layers; formulas are with the functions in autograd/ops.

struct ReLU : Fn {
  ReLU();
};
struct LeakyReLU : Fn {
  explicit LeakyReLU(double slope = 0.01);
};
struct ELU : Fn {
  explicit ELU(double alpha = 1.0);
};
struct GELU : Fn {
  GELU();
};
struct SiLU : Fn {
  SiLU();
};
struct Sigmoid : Fn {
  Sigmoid();
};
struct Tanh : Fn {
  Tanh();
};
struct Softplus : Fn {
  Softplus();
};

/// [N, ...] -> [N, product of the others], in the order of memory: for an activation [N,H,W,C]
/// element (h W + w) C + c.
struct Flatten : Fn {
  Flatten();
};

}  // namespace kindling
