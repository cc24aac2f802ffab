// Reverse-mode differentiation. Every operation on a Variable that needs a gradient has left a Node:
// which nodes its inputs come from, and one rule for each input. A rule turns the gradient of the
// operation's result into that of an input: dL/dx = rule(dL/dy). See record.h.
//
//   1. Order. Collect the nodes between the outputs and the targets, and sort them, last recorded
//      first. An operation is recorded after its inputs, so every node comes after all its users.
//   2. Seed. The gradient of an output is given. For a loss it is 1.
//   3. Pull. Take the next node. All its users have had their turn, so its gradient is complete. Call
//      its rules: they pull the gradient back to its inputs.
//   4. Add. What arrives at a node from several users is added up.
//
// Rules are made of operations. If these are recorded as well, the gradients have a graph of their
// own and can be differentiated again. Nodes with no target behind them are left out.
#include <kindling/autograd/engine.h>

#include <algorithm>

#include <kindling/autograd/anomaly.h>

namespace kindling::detail {

Sweep::Sweep(const Variables& outputs, const Variables& targets, SweepMode mode) : mode_(mode) {
  collect(outputs, targets);
  mark_running();
}

void Sweep::collect(const Variables& outputs, const Variables& targets) {
  std::vector<const Node*> wanted;
  for (const Variable& target : targets) wanted.push_back(target.node().get());
  std::sort(wanted.begin(), wanted.end());

  std::vector<Node*> stack;
  const auto visit = [&](const std::shared_ptr<Node>& node) {
    if (node && node->requires_grad && index_.try_emplace(node.get(), 0).second) stack.push_back(node.get());
  };
  for (const Variable& output : outputs) visit(output.node());
  while (!stack.empty()) {
    Task task{stack.back(), {}};
    stack.pop_back();
    task.target = targets.empty() ? task.node->is_leaf() : std::binary_search(wanted.begin(), wanted.end(), task.node);
    if (!at_boundary(task))
      for (const Node::Input& input : task.node->inputs) visit(input.node);
    tasks_.push_back(std::move(task));
  }
  std::sort(tasks_.begin(), tasks_.end(), [](const Task& a, const Task& b) { return a.node->order > b.node->order; });
  for (size_t i = 0; i < tasks_.size(); ++i) index_[tasks_[i].node] = i;
}

// From the first node to the last, so that a node knows of its inputs.
void Sweep::mark_running() {
  const auto wanted = [this](const Node::Input& input) {
    const Task* producer = find(input.node);
    return producer != nullptr && producer->wanted();
  };
  for (auto task = tasks_.rbegin(); task != tasks_.rend(); ++task) {
    const Node& node = *task->node;
    task->runs = !at_boundary(*task) && std::any_of(node.inputs.begin(), node.inputs.end(), wanted);
    if (task->runs && node.released)
      fail(node, "the graph has been freed; pass retain_graph to the call that freed it");
  }
}

Task* Sweep::find(const std::shared_ptr<Node>& node) {
  const auto found = index_.find(node.get());
  return found == index_.end() ? nullptr : &tasks_[found->second];
}

void Sweep::seed(const Variable& output, const Variable& gradient) {
  if (Task* task = find(output.node()); task != nullptr && task->wanted()) add(*task, gradient);
}

void Sweep::run() {
  const RecordingGuard guard(mode_.create_graph);
  for (Task& task : tasks_) {
    if (!task.node->hooks.empty()) task.owns = false;  // a hook may keep what it is given
    if (task.grad.defined() && !at_boundary(task)) run_hooks(*task.node, task.grad, mode_.create_graph);
    if (!task.runs) continue;
    if (task.grad.defined()) pull(task);
    if (!task.target) task.grad = Variable();
    if (!mode_.create_graph && !mode_.retain_graph) task.node->release();
  }
  if (!mode_.create_graph && !mode_.partial)  // what the caller gets shares memory with nothing
    for (Task& task : tasks_)
      if (task.grad.defined() && !owns_memory(task.grad.value())) task.grad = task.grad.value().clone();
}

void Sweep::pull(Task& task) {
  Node& node = *task.node;
  std::vector<Task*> producers;
  Wanted wanted;
  std::vector<const Tensor*> sums;
  const bool owned = may_overwrite(task);
  for (const Node::Input& input : node.inputs) {
    Task* const producer = find(input.node);
    producers.push_back(producer);
    wanted.push_back(producer != nullptr && producer->wanted());
    sums.push_back(wanted.back() ? open_sum(producer->grad, mode_.create_graph) : nullptr);
  }
  Variables gradients;
  {
    const AbsoluteScope scope(node.path);
    const AnomalyPause pause;
    gradients = node.gradients(Step(node, task.grad, sums, owned), wanted);
  }
  check_gradients(node, gradients, wanted);
  // First forget what has been added already: nothing else may hold a sum that is to be added to in place.
  for (size_t i = 0; i < gradients.size(); ++i)
    if (!wanted[i] || was_added_to(sums[i], gradients[i])) gradients[i] = Variable();
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined()) {
      producers[i]->owns = owned && node.splits_grad && !producers[i]->grad.defined();
      add(*producers[i], std::move(gradients[i]));
    }
}

// Whether a rule may write over the gradient of its operation's result: see Step::in_place().
bool Sweep::may_overwrite(const Task& task) const {
  if (mode_.create_graph || anomaly_mode() || task.target) return false;
  const Tensor& grad = task.grad.value();
  return owns_memory(grad) || (task.owns && has_layout(grad, Layout::rows));
}

void Sweep::add(Task& task, Variable gradient) {
  accumulate(task.grad, mode_.create_graph ? std::move(gradient) : gradient.detach(), mode_.create_graph);
}

Variable Sweep::at(const Variable& target) const {
  const auto found = index_.find(target.node().get());
  return found == index_.end() ? Variable() : tasks_[found->second].grad;
}

}  // namespace kindling::detail
