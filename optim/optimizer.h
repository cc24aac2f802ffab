// Base of the optimisers: parameters with their moments, learning rate, state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// What a checkpoint keeps of an optimiser or a schedule's position; scalars are tensors of shape [].
using State = std::map<std::string, Tensor>;

/// Parameters that share settings.
struct ParameterGroup {
  Variables parameters;
  double lr_factor = 1.0;                   ///< times the optimiser's learning rate
  std::optional<double> weight_decay = {};  ///< instead of the optimiser's
};

/// Moves parameters by their gradients. Holds handles to the parameters, so convert a model (Module::to) before making
/// its optimiser. A parameter without a gradient (frozen, or not reached by backward()) is left alone, its moments too.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  /// One update of every parameter that has a gradient. Throws ShapeError if a gradient has another shape or dtype.
  void step();
  /// Forgets the gradients.
  void zero_grad();

  /// Learning rate per step, as it is now and as it was at construction; schedules multiply the latter.
  double lr() const { return lr_; }
  double base_lr() const { return base_lr_; }
  void set_lr(double lr) { lr_ = lr; }
  /// SGD's momentum, Adam's beta1.
  double momentum() const { return momentum_; }
  void set_momentum(double momentum) { momentum_ = momentum; }

  Variables parameters() const;

  /// What the moments of all parameters that are trained take, once each has been updated.
  int64_t moment_bytes() const;
  /// "lr", "momentum" (f64), "steps" (i64 [P]: updates of each parameter) and, for each parameter i that has been
  /// updated, its moments, such as "velocity/3". The tensors are copies.
  State state() const;
  /// Throws Error, naming the entry, if one is missing, unknown or does not fit the parameters.
  void load_state(const State& state);

 protected:
  /// One parameter and what the optimiser remembers of it.
  struct Slot {
    Variable parameter;
    double lr_factor;
    double weight_decay;
    int64_t steps = 0;                 ///< updates so far
    std::vector<Tensor> moments = {};  ///< in the order of moment_names; empty before the first update
  };
  /// Elements of a parameter that one task updates: 64 KiB of each f32 tensor, some microseconds of work.
  static constexpr int64_t kUpdateBlock = 1 << 14;

  Optimizer(std::vector<ParameterGroup> groups, double lr, double momentum, double weight_decay);

  virtual const char* name() const = 0;
  virtual std::vector<std::string> moment_names(const Shape& parameter) const = 0;
  /// Updates one parameter from its gradient. `slot.steps` counts this update already; moments are zeros at the first.
  virtual void update(Slot& slot) = 0;
  /// Whether the threads share out the parameters, the largest first, instead of the elements of each: for updates that
  /// are so much work that even a small parameter's is worth a thread's while.
  virtual bool deals_parameters() const { return false; }

 private:
  std::vector<Slot> slots_;
  double base_lr_, lr_, momentum_;
};

}  // namespace kindling
