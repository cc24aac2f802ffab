// Base of the optimisers: parameters with their moments, learning rate, state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// What a checkpoint keeps of an optimiser or a schedule. Scalars are tensors of shape [].
using State = std::map<std::string, Tensor>;

/// Parameters that share settings.
struct ParameterGroup {
  Variables parameters;
  double lr_factor = 1.0;                   ///< times the optimiser's learning rate
  std::optional<double> weight_decay = {};  ///< instead of the optimiser's
};

/// Moves parameters by their gradients. It holds handles to the parameters, so convert a model
/// (Module::to) before you make its optimiser. A parameter without a gradient (frozen, or not
/// reached by backward()) is left alone, and so are its moments.
///
/// Elements that a Constraint holds at 0 stay exactly 0, and so do their moments and gradients,
/// whatever the update. Shared elements move as one number by the sum of their gradients, with one
/// moment for each code; weight decay counts them as one.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  /// One update of every parameter that has a gradient. Throws ShapeError if a gradient has another
  /// shape or dtype.
  void step();
  /// Forgets the gradients.
  void zero_grad();

  /// The learning rate now, and the one given at construction, which schedules multiply.
  double lr() const { return lr_; }
  double base_lr() const { return base_lr_; }
  void set_lr(double lr) { lr_ = lr; }
  /// SGD's momentum, Adam's beta1.
  double momentum() const { return momentum_; }
  void set_momentum(double momentum) { momentum_ = momentum; }

  Variables parameters() const;

  /// Bytes of all moments, once every parameter that is trained has been updated.
  int64_t moment_bytes() const;
  /// "lr", "momentum" (f64) and "steps" (i64 [P]: the updates of each parameter). For each
  /// parameter i that has been updated also its moments, such as "velocity/3", and for each with a
  /// Constraint its codes (u8), as "codes/3" if they are shared, else as "mask/3". The tensors are
  /// copies.
  State state() const;
  /// Parameters get the state's constraints too, or lose those that they have. Throws Error, naming
  /// the entry, if one is missing, unknown or does not fit the parameters.
  void load_state(const State& state);

 protected:
  /// One parameter and what the optimiser remembers of it.
  struct Slot {
    Variable parameter;
    double lr_factor;
    double weight_decay;
    int64_t steps = 0;                 ///< updates so far
    std::vector<Tensor> moments = {};  ///< in the order of moment_names; empty before the first update
    Tensor codes = {};                 ///< of the Constraint at the last update
    std::vector<int64_t> places = {};  ///< places_of_codes(), if it shares
  };
  /// Elements of a parameter that one task updates: 64 KiB of each f32 tensor, a few microseconds
  /// of work.
  static constexpr int64_t kUpdateBlock = 1 << 14;

  Optimizer(std::vector<ParameterGroup> groups, double lr, double momentum, double weight_decay);

  virtual const char* name() const = 0;
  virtual std::vector<std::string> moment_names(const Shape& parameter) const = 0;
  /// Updates one parameter from its gradient. `slot.steps` already counts this update. At the first
  /// update the moments are zeros.
  virtual void update(Slot& slot) = 0;
  /// Whether each thread takes whole parameters, the largest first, instead of a part of every
  /// parameter. For updates that are much work even for a small parameter.
  virtual bool deals_parameters() const { return false; }
  /// Whether an element moves by the gradients of others too. If not, an element whose value,
  /// gradient and moments are 0 stays 0.
  virtual bool mixes_elements() const { return false; }

 private:
  void update_one(Slot& slot);

  std::vector<Slot> slots_;
  double base_lr_, lr_, momentum_;
};

}  // namespace kindling
