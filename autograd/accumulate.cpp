// What the backward pass does beside the algorithm: adding in place, hooks, checks.
#include <kindling/autograd/anomaly.h>
#include <kindling/autograd/engine.h>
#include <kindling/autograd/ops/elementwise.h>

namespace kindling::detail {

bool owns_memory(const Tensor& x) { return x.is_unique() && x.is_contiguous(); }

bool may_hold_sum(const Tensor& a, const Tensor& b) {
  return owns_memory(a) && a.shape() == b.shape() && a.dtype() == b.dtype() && is_floating(a.dtype());
}

const Tensor* open_sum(const Variable& sum, bool create_graph) {
  const bool open = !create_graph && !anomaly_mode() && sum.defined() && owns_memory(sum.value());
  return open ? &sum.value() : nullptr;
}

bool was_added_to(const Tensor* sum, const Variable& gradient) {
  return sum != nullptr && gradient.defined() && gradient.value().storage() == sum->storage();
}

void accumulate(Variable& sum, Variable gradient, bool create_graph) {
  if (!sum.defined())
    sum = std::move(gradient);
  else if (create_graph)
    sum = add(sum, gradient);
  else if (owns_memory(sum.value()))
    sum.value().add_(gradient.value());
  else
    sum = add(sum.value(), gradient.value());
}

void run_hooks(const Node& node, Variable& gradient, bool create_graph) {
  if (node.hooks.empty()) return;
  const std::vector<Node::Hook> hooks = node.hooks;  // a hook may remove itself
  for (const Node::Hook& hook : hooks) {
    const Variable replacement = hook.call(gradient);
    if (!replacement.defined()) continue;
    if (replacement.shape() != gradient.shape() || replacement.dtype() != gradient.dtype())
      fail(node, "a hook returned ", replacement.dtype(), ' ', replacement.shape(), " for a gradient ",
           gradient.dtype(), ' ', gradient.shape());
    gradient = create_graph ? replacement : replacement.detach();
  }
}

void check_gradients(const Node& node, const Variables& gradients, const Wanted& wanted) {
  if (gradients.size() != wanted.size())
    fail(node, "its rule returned ", gradients.size(), " gradients for ", wanted.size(), " inputs");
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!wanted[i] || !gradients[i].defined()) continue;
    const Node::Input& input = node.inputs[i];
    if (gradients[i].shape() != input.shape || gradients[i].dtype() != input.dtype)
      fail(node, "the gradient of input ", i, " is ", gradients[i].dtype(), ' ', gradients[i].shape(), ", the input ",
           input.dtype, ' ', input.shape);
    inspect_gradient(node, i, gradients[i].value());
  }
}

}  // namespace kindling::detail
