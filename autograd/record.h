// How an operation is recorded: its value, its inputs and one gradient rule per input.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

/// Which tensors an operation's gradient rules will ask for; others are not kept alive. Shapes are always there.
enum class Keep : uint8_t { nothing = 0, inputs = 1, output = 2, all = 3 };

/// What a gradient rule sees.
class Step {
 public:
  Step(const Node& node, std::shared_ptr<Node> self, const Variable& grad_in) : grad(grad_in), node_(node), self_(std::move(self)) {}

  /// Gradient of the loss with respect to the operation's result.
  const Variable& grad;
  /// The operation's i-th input. Throws Error if the operation was recorded without Keep::inputs or the tensor was changed in place since.
  Variable input(size_t i) const;
  const Shape& input_shape(size_t i) const;
  /// The operation's result. Needs Keep::output.
  Variable output() const;

 private:
  const Node& node_;
  std::shared_ptr<Node> self_;
};

/// The rule of an input that has no gradient (class labels, indices).
struct NoGradient {
  Variable operator()(const Step&) const { return {}; }
};

/// One recorded operation, or a leaf that collects a gradient. Users see it only through Variable and record().
class Node {
 public:
  struct Input {
    std::shared_ptr<Node> node;  ///< null for a constant
    Shape shape;
    Tensor value;                ///< undefined unless Keep::inputs
    uint64_t version = 0;        ///< of the value's storage when it was saved
  };

  explicit Node(const char* name);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Gradient of input i. Called only for inputs that need one.
  virtual Variable gradient(size_t i, const Step& step) const = 0;
  virtual bool is_leaf() const { return false; }

  const char* name;            ///< of the operation
  const std::string* path;     ///< layer scope in which it was recorded
  uint64_t order;              ///< when it was recorded: later operations have larger numbers
  bool requires_grad = true;   ///< a leaf may be frozen
  bool released = false;       ///< saved tensors are gone
  Keep keep = Keep::nothing;
  std::vector<Input> inputs;
  Shape shape;                 ///< of the output
  Tensor output;               ///< undefined unless Keep::output
  uint64_t output_version = 0;
  Tensor grad;                 ///< leaves only
  std::vector<std::function<Variable(const Variable&)>> hooks;

  /// Drops saved tensors (after the last rule that needs them has run).
  void release();
};

namespace detail {

/// Whether an operation on these inputs must be recorded now.
bool needs_recording(const std::vector<Variable>& inputs);
Variable attach(std::shared_ptr<Node> node, Tensor value, const std::vector<Variable>& inputs, Keep keep);
/// Anomaly mode's look at a result.
void inspect_value(const char* name, const Tensor& value);

template <class... Rules>
class OpNode final : public Node {
 public:
  OpNode(const char* op_name, Rules... rules) : Node(op_name), rules_(std::move(rules)...) {}
  Variable gradient(size_t i, const Step& step) const override {
    Variable result;
    size_t index = 0;
    std::apply([&](const auto&... rule) { ((index++ == i ? void(result = rule(step)) : void()), ...); }, rules_);
    return result;
  }

 private:
  std::tuple<Rules...> rules_;
};

template <class Rule>
class ListNode final : public Node {
 public:
  ListNode(const char* op_name, Rule rule) : Node(op_name), rule_(std::move(rule)) {}
  Variable gradient(size_t i, const Step& step) const override { return rule_(step, i); }

 private:
  Rule rule_;
};

}  // namespace detail

/// Records `value` as the result of operation `name` on `inputs`, with one rule `Variable(const Step&)` per input, in order. A rule
/// returns dL/d(input i), of that input's shape; it is called only if input i needs it, calls operations on Variables only, and
/// captures options only (capturing a Variable would keep the graph alive for ever). When recording is off or no input requires
/// a gradient the result is a constant. This is also how users add operations of their own.
template <class... Rules>
Variable record(const char* name, Tensor value, const std::vector<Variable>& inputs, Keep keep, Rules... rules) {
  check(sizeof...(Rules) == inputs.size(), name, sizeof...(Rules), " gradient rules for ", inputs.size(), " inputs");
  detail::inspect_value(name, value);
  if (!detail::needs_recording(inputs)) return Variable(std::move(value));
  return detail::attach(std::make_shared<detail::OpNode<Rules...>>(name, std::move(rules)...), std::move(value), inputs, keep);
}

/// record() for any number of inputs, with one rule `Variable(const Step&, size_t i)` for all.
template <class Rule>
Variable record_list(const char* name, Tensor value, const std::vector<Variable>& inputs, Keep keep, Rule rule) {
  detail::inspect_value(name, value);
  if (!detail::needs_recording(inputs)) return Variable(std::move(value));
  return detail::attach(std::make_shared<detail::ListNode<Rule>>(name, std::move(rule)), std::move(value), inputs, keep);
}

}  // namespace kindling
