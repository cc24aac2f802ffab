// How an operation is recorded: its value, its inputs and one gradient rule per input.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/autograd/node.h>
#include <kindling/tensor/function_ref.h>
#include <kindling/tensor/out.h>

namespace kindling {

/// What a gradient rule sees.
class Step {
 public:
  /// `sums` holds one pointer per input, null where out() is to give no tensor. `owns_grad` says
  /// whether in_place() is to give one.
  Step(Node& node, const Variable& grad_in, const std::vector<const Tensor*>& sums, bool owns_grad)
      : grad(grad_in), node_(node), sums_(sums), owns_grad_(owns_grad) {}

  /// Gradient of the loss with respect to the operation's result.
  const Variable& grad;
  /// The operation's i-th input. Throws Error if it was not kept (see Keep) or has been changed in
  /// place since.
  Variable input(size_t i) const;
  const Shape& input_shape(size_t i) const { return node_.inputs.at(i).shape; }
  size_t input_count() const { return node_.inputs.size(); }
  /// The operation's result. Needs Keep::output; throws as input().
  Variable output() const;
  /// Where the gradient of input i may go: to be added to the contiguous sum of what has arrived
  /// there from other operations, or, if that cannot be, into new memory. A rule may pass this on
  /// as the last argument of the operation whose result it returns, and of no other. Then nothing
  /// is left to add.
  Out out(size_t i) const { return sums_.at(i) == nullptr ? Out() : Out{*sums_[i], /*add=*/true}; }
  /// Where a result of the shape of `grad` may go if the rule reads `grad` no more: over `grad`
  /// itself, or, if something else needs that, into new memory. Where it is not contiguous, it is a
  /// slice of the channels of such a tensor.
  Out in_place() const { return owns_grad_ ? Out{grad.value()} : Out(); }

 private:
  Node& node_;
  const std::vector<const Tensor*>& sums_;
  bool owns_grad_;
};

/// The rule of an input that no gradient flows to (class labels, indices).
struct NoGradient {
  Variable operator()(const Step&) const { return {}; }
};

namespace detail {

/// Whether recording is on and one of the inputs requires a gradient.
bool needs_recording(const Variables& inputs);
/// Links `node` to its inputs, keeps what `keep` says, and makes the resulting Variable.
Variable attach(std::shared_ptr<Node> node, Tensor value, const Variables& inputs, Keep keep);
/// In anomaly mode: throws Error if `value` has a NaN or Inf.
void inspect_result(const char* name, const Tensor& value);

template <class... Rules>
class OpNode final : public Node {
 public:
  OpNode(const char* op, Rules... rules) : Node(op), rules_(std::move(rules)...) {}

  Variables gradients(const Step& step, const Wanted& wanted) const override {
    Variables result(sizeof...(Rules));
    size_t i = 0;
    const auto call_if_wanted = [&](const auto& rule) {
      if (wanted[i]) result[i] = rule(step);
      ++i;
    };
    std::apply([&](const auto&... rule) { (call_if_wanted(rule), ...); }, rules_);
    return result;
  }

 private:
  std::tuple<Rules...> rules_;
};

template <class Rule>
class ListNode final : public Node {
 public:
  ListNode(const char* op, Rule rule) : Node(op), rule_(std::move(rule)) {}

  Variables gradients(const Step& step, const Wanted& wanted) const override {
    Variables result(wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i]) result[i] = rule_(step, i);
    return result;
  }

 private:
  Rule rule_;
};

template <class Rule>
class JointNode final : public Node {
 public:
  JointNode(const char* op, Rule rule) : Node(op), rule_(std::move(rule)) {}

  Variables gradients(const Step& step, const Wanted& wanted) const override {
    if constexpr (std::is_invocable_v<const Rule&, const Step&, const Wanted&>)
      return rule_(step, wanted);
    else
      return rule_(step);
  }

 private:
  Rule rule_;
};

template <class SomeNode, class... Rules>
Variable record_as(const char* name, Tensor value, const Variables& inputs, Keep keep, Rules... rules) {
  inspect_result(name, value);
  if (!needs_recording(inputs)) return Variable(std::move(value));
  return attach(std::make_shared<SomeNode>(name, std::move(rules)...), std::move(value), inputs, keep);
}

}  // namespace detail

/// Records `value` as the result of operation `name` on `inputs`. There is one rule for each input,
/// in order: `Variable(const Step&)`. It returns dL/d(input i), of that input's shape, or an
/// undefined Variable if no gradient flows there. It is called only if input i needs a gradient.
///
/// A rule calls operations on Variables only, so that it can be differentiated in its turn. It
/// captures options only: a captured Variable may keep the graph alive for ever. `name` is a string
/// that stays, as a literal does. When recording is off or no input requires a gradient the result
/// is a constant. This is also how users add operations of their own.
template <class... Rules>
Variable record(const char* name, Tensor value, const Variables& inputs, Keep keep, Rules... rules) {
  check(sizeof...(Rules) == inputs.size(), name, sizeof...(Rules), " gradient rules for ", inputs.size(), " inputs");
  return detail::record_as<detail::OpNode<Rules...>>(name, std::move(value), inputs, keep, std::move(rules)...);
}

/// record() for any number of inputs, with one rule `Variable(const Step&, size_t i)` for all.
template <class Rule>
Variable record_list(const char* name, Tensor value, const Variables& inputs, Keep keep, Rule rule) {
  return detail::record_as<detail::ListNode<Rule>>(name, std::move(value), inputs, keep, std::move(rule));
}

/// record() where one rule, `Variables(const Step&)` or, with a mark for each input whose gradient
/// is asked for, `Variables(const Step&, const Wanted& wanted)`, computes the gradients of all
/// inputs.
template <class Rule>
Variable record_joint(const char* name, Tensor value, const Variables& inputs, Keep keep, Rule rule) {
  return detail::record_as<detail::JointNode<Rule>>(name, std::move(value), inputs, keep, std::move(rule));
}

/// For operations that take an Out: throws Error if the result would be added to a tensor while
/// operations are recorded, as its gradient would know nothing of what was there.
void check_not_adding(const char* op, const Out& out);

/// For rules of operations that are a function of other operations: computes y = f(inputs),
/// which f records whether or not recording is on, and returns the partial derivatives of <y,
/// grad> with respect to `inputs`, each taken alone even where one depends on another. They
/// are themselves recorded if recording is on. One that y does not depend on is undefined.
Variables gradients_of(FunctionRef<Variable()> f, const Variables& inputs, const Variable& grad);

}  // namespace kindling
