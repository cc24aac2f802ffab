#include <kindling/autograd/checkpoint.h>

#include <unordered_set>

#include <kindling/autograd/record.h>

namespace kindling {
namespace {

// Variables made before `start` that the graph of y reaches: those that f used without being handed them. Only their
// nodes matter, so their values are left out.
Variables captured(const Variable& y, uint64_t start) {
  Variables result;
  std::unordered_set<const Node*> seen;
  std::vector<std::shared_ptr<Node>> stack;
  const auto visit = [&](const std::shared_ptr<Node>& node, const Shape& shape, DType dtype) {
    if (!node || !seen.insert(node.get()).second) return;
    if (node->order < start)
      result.emplace_back(Tensor::scalar(0.0, dtype).broadcast_to(shape), node);
    else
      stack.push_back(node);
  };
  visit(y.node(), y.shape(), y.dtype());
  while (!stack.empty()) {
    const std::shared_ptr<Node> node = std::move(stack.back());
    stack.pop_back();
    for (const Node::Input& input : node->inputs) visit(input.node, input.shape, input.dtype);
  }
  return result;
}

}  // namespace

Variable checkpoint(std::function<Variable(const Variables& inputs)> f, const Variables& inputs) {
  if (!is_recording()) return f(inputs);
  const uint64_t start = Variable(Tensor::scalar(0.0), /*requires_grad=*/true).node()->order;
  Variables stand_ins;
  for (const Variable& input : inputs) stand_ins.emplace_back(input.value(), input.requires_grad());
  const Variable y = f(stand_ins);

  Variables all;  // that are defined: a bias may be none
  std::vector<bool> given;
  for (const Variable& input : inputs) {
    given.push_back(input.defined());
    if (input.defined()) all.push_back(input);
  }
  for (const Variable& variable : captured(y, start)) all.push_back(variable);
  const auto rule = [f = std::move(f), given = std::move(given)](const Step& s) {
    Variables all, inputs;
    for (size_t i = 0; i < s.input_count(); ++i) all.push_back(s.input(i));
    for (size_t next = 0; const bool is_given : given) inputs.push_back(is_given ? all[next++] : Variable());
    return gradients_of([&] { return f(inputs); }, all, s.grad);
  };
  return record_joint("checkpoint", y.value(), all, Keep::inputs, rule);
}

}  // namespace kindling
