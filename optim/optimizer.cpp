#include <kindling/optim/optimizer.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include <kindling/optim/constraint.h>
#include <kindling/optim/gradients.h>
#include <kindling/tensor/kernels/parallel.h>

namespace kindling {
namespace {

[[noreturn]] void throw_state_error(const std::string& name, const std::string& what) {
  throw Error("optimizer state: entry '" + name + "' " + what);
}

const Tensor& entry(const State& state, const std::string& name, const Shape& shape, DType dtype) {
  const auto found = state.find(name);
  if (found == state.end() || !found->second.defined()) throw_state_error(name, "is missing");
  const Tensor& tensor = found->second;
  if (tensor.shape() != shape || tensor.dtype() != dtype) {
    std::ostringstream what;
    what << "is " << tensor.dtype() << " " << tensor.shape() << ", expected " << dtype << " " << shape;
    throw_state_error(name, what.str());
  }
  return tensor;
}

/// "velocity/3": what belongs to parameter 3.
std::string entry_name(const std::string& what, size_t parameter) { return what + "/" + std::to_string(parameter); }

// Names of the entries of a Constraint, by whether it is shared.
const char* constraint_name(bool shared) { return shared ? "codes" : "mask"; }

/// That of parameter `i` in a state; `known` gains the entry's name.
Constraint constraint_in(const State& state, size_t i, const Shape& shape, std::set<std::string>& known) {
  for (const bool shared : {false, true})
    if (const std::string name = entry_name(constraint_name(shared), i); state.contains(name)) {
      known.insert(name);
      return {entry(state, name, shape, DType::u8).clone(), shared};
    }
  return {};
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups, double lr, double momentum, double weight_decay)
    : base_lr_(lr), lr_(lr), momentum_(momentum) {
  check(lr >= 0, "optimizer", "lr must not be negative, got ", lr);
  std::set<std::pair<const Storage*, int64_t>> seen;
  for (ParameterGroup& group : groups) {
    const double decay = group.weight_decay.value_or(weight_decay);
    check(group.lr_factor >= 0, "optimizer", "lr_factor must not be negative, got ", group.lr_factor);
    check(decay >= 0, "optimizer", "weight_decay must not be negative, got ", decay);
    for (Variable& parameter : group.parameters) {
      check(parameter.defined() && parameter.value().is_contiguous(), "optimizer",
            "parameters must be defined and contiguous");
      check(seen.emplace(parameter.value().storage().get(), parameter.value().offset()).second, "optimizer",
            "a parameter of shape ", parameter.shape(), " is there twice");
      slots_.push_back({std::move(parameter), group.lr_factor, decay});
    }
  }
}

void Optimizer::step() {
  std::vector<Slot*> due;
  for (Slot& slot : slots_) {
    if (!has_grad(slot.parameter)) continue;
    const Tensor& grad = slot.parameter.grad();
    check(grad.shape() == slot.parameter.shape() && grad.dtype() == slot.parameter.dtype(), name(), "parameter is ",
          slot.parameter.dtype(), " ", slot.parameter.shape(), ", its gradient ", grad.dtype(), " ", grad.shape());
    const Shape shape = free_shape(slot.parameter);
    if (!slot.moments.empty() && slot.moments[0].shape() != shape) {  // weights are shared now, or no longer
      slot.moments.clear();
      slot.steps = 0;
    }
    if (slot.moments.empty()) {
      for (size_t i = 0, n = moment_names(shape).size(); i < n; ++i)
        slot.moments.push_back(Tensor::zeros(shape, slot.parameter.dtype()));
    }
    due.push_back(&slot);
  }
  if (!deals_parameters()) {
    for (Slot* slot : due) update_one(*slot);
    return;
  }
  const auto numel = [](const Slot* slot) { return slot->parameter.numel(); };
  std::sort(due.begin(), due.end(), [&](const Slot* a, const Slot* b) { return numel(a) > numel(b); });
  parallel_for_in_order(static_cast<int64_t>(due.size()),
                        [&](int64_t next) { update_one(*due[static_cast<size_t>(next)]); });
}

void Optimizer::update_one(Slot& slot) {
  ++slot.steps;
  Variable& parameter = slot.parameter;
  const Tensor& codes = parameter.constraint().codes;
  const bool is_new = codes.defined() && (!slot.codes.defined() || slot.codes.storage() != codes.storage() ||
                                          slot.codes.offset() != codes.offset());
  slot.codes = codes;  // held, so that no others can take their place in memory
  if (is_new) slot.places.clear();
  if (!codes.defined()) {
    update(slot);
  } else if (parameter.constraint().shared) {
    if (slot.places.empty()) slot.places = places_of_codes(codes);
    Slot values = slot;
    values.parameter = Variable(shared_values(parameter, slot.places), true);
    values.parameter.grad() = shared_gradient(parameter);
    update(values);
    spread_values(values.parameter.value(), parameter);
    slot.moments = std::move(values.moments);
  } else {
    hold_gradient(parameter);
    const auto hold_moments = [&] {
      for (Tensor& moment : slot.moments) hold_zeros(codes, moment);
    };
    hold_zeros(codes, parameter.value());
    if (is_new) hold_moments();  // they are of what was free before
    update(slot);
    if (mixes_elements()) {
      hold_zeros(codes, parameter.value());
      hold_moments();
    }
  }
  parameter.value().mark_written(name());
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) {
    if (slot.parameter.requires_grad()) slot.parameter.zero_grad();
  }
}

Variables Optimizer::parameters() const {
  Variables result;
  for (const Slot& slot : slots_) result.push_back(slot.parameter);
  return result;
}

int64_t Optimizer::moment_bytes() const {
  int64_t bytes = 0;
  for (const Slot& slot : slots_) {
    const Variable& parameter = slot.parameter;
    if (!parameter.requires_grad()) continue;
    const Shape shape = free_shape(parameter);
    const auto moments = static_cast<int64_t>(moment_names(shape).size());
    bytes += moments * shape.numel() * size_of(parameter.value().dtype());
  }
  return bytes;
}

State Optimizer::state() const {
  State state{{"lr", Tensor::scalar(lr_, DType::f64)}, {"momentum", Tensor::scalar(momentum_, DType::f64)}};
  std::vector<int64_t> steps;
  for (size_t i = 0; i < slots_.size(); ++i) {
    steps.push_back(slots_[i].steps);
    const Slot& slot = slots_[i];
    if (!slot.moments.empty()) {
      const std::vector<std::string> names = moment_names(slot.moments[0].shape());
      for (size_t m = 0; m < names.size(); ++m) state[entry_name(names[m], i)] = slot.moments[m].clone();
    }
    const auto& [codes, shared] = slot.parameter.constraint();
    if (codes.defined()) state[entry_name(constraint_name(shared), i)] = codes.clone();
  }
  state["steps"] = Tensor::from(steps);
  return state;
}

void Optimizer::load_state(const State& state) {
  // Everything is read and checked before anything changes.
  const double lr = entry(state, "lr", {}, DType::f64).item();
  const double momentum = entry(state, "momentum", {}, DType::f64).item();
  const auto count = static_cast<int64_t>(slots_.size());
  const auto steps = entry(state, "steps", {count}, DType::i64).to_vector<int64_t>();
  std::set<std::string> known{"lr", "momentum", "steps"};
  std::vector<std::vector<Tensor>> moments(slots_.size());
  std::vector<Constraint> constraints;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (steps[i] < 0) throw_state_error("steps", "has a negative number");
    const Variable& parameter = slots_[i].parameter;
    constraints.push_back(constraint_in(state, i, parameter.shape(), known));
    if (steps[i] == 0) continue;
    const Shape shape = free_shape(parameter, constraints[i]);
    for (const std::string& moment : moment_names(shape)) {
      const std::string name = entry_name(moment, i);
      moments[i].push_back(entry(state, name, shape, parameter.dtype()).clone());
      known.insert(name);
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!known.contains(name)) throw_state_error(name, std::string("is not one of ") + this->name() + "'s");
  }
  lr_ = lr;
  momentum_ = momentum;
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].steps = steps[i];
    slots_[i].moments = std::move(moments[i]);
    slots_[i].parameter.set_constraint(std::move(constraints[i]));
  }
}

}  // namespace kindling
