#include <kindling/nn/module.h>

#include <functional>
#include <utility>

#include <kindling/nn/observer.h>

namespace kindling {
namespace {

/// Calls a function for every part, one level deep.
template <class F>
class PartVisitor final : public Visitor {
 public:
  explicit PartVisitor(F f) : f_(std::move(f)) {}
  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view name, Module& child) override { f_(name, child); }

 private:
  F f_;
};

/// Walks all levels and calls a function with the path of every parameter and buffer.
template <class OnParameter, class OnBuffer>
class PathVisitor final : public Visitor {
 public:
  PathVisitor(OnParameter on_parameter, OnBuffer on_buffer)
      : on_parameter_(std::move(on_parameter)), on_buffer_(std::move(on_buffer)) {}

  void operator()(std::string_view name, Variable& parameter) override {
    if (parameter.defined()) on_parameter_(prefix_ + std::string(name), parameter);
  }
  void operator()(std::string_view name, Tensor& buffer) override {
    if (buffer.defined()) on_buffer_(prefix_ + std::string(name), buffer);
  }
  void operator()(std::string_view name, Module& child) override {
    const size_t length = prefix_.size();
    prefix_.append(name).append("/");
    child.visit(*this);
    prefix_.resize(length);
  }

 private:
  OnParameter on_parameter_;
  OnBuffer on_buffer_;
  std::string prefix_;
};

template <class F>
void for_each_part(Module& module, F f) {
  PartVisitor<F> visitor(std::move(f));
  module.visit(visitor);
}

template <class OnParameter, class OnBuffer>
void for_each_member(Module& module, OnParameter on_parameter, OnBuffer on_buffer) {
  PathVisitor<OnParameter, OnBuffer> visitor(std::move(on_parameter), std::move(on_buffer));
  module.visit(visitor);
}

}  // namespace

void Visitor::operator()(std::string_view /*name*/, Module& child) { child.visit(*this); }
void Visitor::operator()(std::string_view name, std::unique_ptr<Module>& child) { (*this)(name, *child); }

Variable Module::operator()(const Variable& x, const Out& out) {
  if (!parts_named_) name_parts();
  const Scope scope(name_);
  Variable y = out.to.defined() ? forward_to(x, out) : forward(x);
  CallObserver::tell(*this, x, y);
  return y;
}

void Module::train(bool on) {
  training_ = on;
  for_each_part(*this, [on](std::string_view, Module& part) { part.train(on); });
}

void Module::name_parts() {
  for_each_part(*this, [](std::string_view name, Module& part) {
    part.name_ = name;
    part.name_parts();
  });
  parts_named_ = true;
}

std::vector<NamedParameter> Module::named_parameters() {
  std::vector<NamedParameter> result;
  for_each_member(
      *this,
      [&](std::string name, Variable& value) {
        result.push_back({std::move(name), value});
      },
      [](const std::string&, Tensor&) {});
  return result;
}

std::vector<NamedBuffer> Module::named_buffers() {
  std::vector<NamedBuffer> result;
  for_each_member(
      *this, [](const std::string&, Variable&) {},
      [&](std::string name, Tensor& value) {
        result.push_back({std::move(name), value});
      });
  return result;
}

Variables Module::parameters() {
  Variables result;
  for (NamedParameter& parameter : named_parameters()) result.push_back(std::move(parameter.value));
  return result;
}

int64_t Module::parameter_count() {
  int64_t count = 0;
  for (const Variable& parameter : parameters()) count += parameter.numel();
  return count;
}

DType Module::dtype() {
  const Variables all = parameters();
  return all.empty() ? DType::f32 : all.front().dtype();
}

bool Module::has_parts() {
  bool found = false;
  for_each_part(*this, [&](std::string_view, Module&) { found = true; });
  return found;
}

void Module::zero_grad() {
  for (Variable& parameter : parameters()) parameter.zero_grad();
}

void Module::to(DType dtype) {
  for_each_member(
      *this,
      [dtype](const std::string&, Variable& parameter) {
        if (parameter.dtype() == dtype) return;
        const bool trained = parameter.requires_grad();
        const Constraint constraint = parameter.constraint();
        parameter = Variable(parameter.value().to(dtype), true);
        parameter.set_constraint(constraint);
        parameter.set_requires_grad(trained);  // a frozen one can be thawed later, and its handles will see it
      },
      [dtype](const std::string&, Tensor& buffer) { buffer = buffer.to(dtype); });
}

EvaluationMode::EvaluationMode(Module& model) {
  const std::function<void(Module&)> remember = [&](Module& module) {
    modes_.emplace_back(&module, module.training());
    for_each_part(module, [&](std::string_view, Module& part) { remember(part); });
  };
  remember(model);
  model.eval();
}

// Parents come before their parts, so a part's own mode has the last word.
EvaluationMode::~EvaluationMode() {
  for (const auto& [module, training] : modes_) module->train(training);
}

}  // namespace kindling
