// Reverse mode: collects the operations between outputs and targets, then runs their gradient rules, the last first.
#include <algorithm>
#include <unordered_map>

#include <kindling/autograd/anomaly.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/record.h>

namespace kindling {
namespace {

using detail::fail;

// Whether x may be changed in place: nothing else sees its memory, and no element of it is there twice.
bool owns_memory(const Tensor& x) { return x.is_unique() && x.is_contiguous(); }

struct Mode {
  bool create_graph = false;  ///< the rules are recorded
  bool retain_graph = false;  ///< operations stay usable
  bool partial = false;       ///< targets are taken as independent: nothing behind them is run, nor their hooks
};

/// One pass over a part of the graph. It writes to the nodes that it runs and to no other.
class Sweep {
 public:
  Sweep(const Variables& outputs, const Variables& targets, Mode mode);

  void seed(const Variable& output, const Variable& gradient);
  /// Lets what arrives at a target be added to `sum`, which is taken; not if hooks would see it or the outputs do not
  /// depend on the target.
  void add_to(const Variable& target, Tensor& sum);
  void run();
  /// After run(): the gradient that arrived at a target, undefined if none did.
  Variable at(const Variable& target) const;
  /// Adds what arrived at every leaf to its grad.
  void store();

 private:
  struct Task {
    Node* node;
    Variable grad;        ///< the sum of what has arrived so far
    bool target = false;  ///< its gradient is asked for
    bool runs = false;    ///< its rules are run, because a target lies behind it

    bool wanted() const { return target || runs; }
  };

  void collect(const Variables& outputs, const List<const Node*>& targets);
  void mark_running();
  bool at_boundary(const Task& task) const { return mode_.partial && task.target; }
  Task* find(const std::shared_ptr<Node>& node);
  void run_hooks(Task& task);
  void run_rules(Task& task);
  void add(Task& task, Variable gradient);

  Mode mode_;
  List<Task> tasks_;  ///< in decreasing order of recording, so every node comes after all that use it
  std::unordered_map<const Node*, size_t, std::hash<const Node*>, std::equal_to<const Node*>,
                     Recycler<std::pair<const Node* const, size_t>>>
      index_;
};

/// With no targets, every leaf is one.
Sweep::Sweep(const Variables& outputs, const Variables& targets, Mode mode) : mode_(mode) {
  List<const Node*> nodes;
  for (const Variable& target : targets) nodes.push_back(target.node().get());
  std::sort(nodes.begin(), nodes.end());
  collect(outputs, nodes);
  mark_running();
}

/// `targets` are in increasing order.
void Sweep::collect(const Variables& outputs, const List<const Node*>& targets) {
  List<Node*> stack;
  const auto visit = [&](const std::shared_ptr<Node>& node) {
    if (node && node->requires_grad && index_.try_emplace(node.get(), 0).second) stack.push_back(node.get());
  };
  for (const Variable& output : outputs) visit(output.node());
  while (!stack.empty()) {
    Task task{stack.back(), {}};
    stack.pop_back();
    task.target =
        targets.empty() ? task.node->is_leaf() : std::binary_search(targets.begin(), targets.end(), task.node);
    if (!at_boundary(task))
      for (const Node::Input& input : task.node->inputs) visit(input.node);
    tasks_.push_back(std::move(task));
  }
  std::sort(tasks_.begin(), tasks_.end(), [](const Task& a, const Task& b) { return a.node->order > b.node->order; });
  for (size_t i = 0; i < tasks_.size(); ++i) index_[tasks_[i].node] = i;
}

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

Sweep::Task* Sweep::find(const std::shared_ptr<Node>& node) {
  const auto found = index_.find(node.get());
  return found == index_.end() ? nullptr : &tasks_[found->second];
}

void Sweep::seed(const Variable& output, const Variable& gradient) {
  if (Task* task = find(output.node()); task != nullptr && task->wanted()) add(*task, gradient);
}

void Sweep::add_to(const Variable& target, Tensor& sum) {
  Task* task = find(target.node());
  // What an input is computed from must get its gradient alone, without the sum.
  if (task == nullptr || task->runs || !sum.defined() || !task->node->hooks.empty()) return;
  if (task->grad.defined()) throw Error("add_grad: an input appears twice");
  task->grad = Variable(std::move(sum));
  sum = Tensor();
}

void Sweep::run() {
  const RecordingGuard guard(mode_.create_graph);
  for (Task& task : tasks_) {
    if (task.grad.defined() && !at_boundary(task)) run_hooks(task);
    if (!task.runs) continue;
    if (task.grad.defined()) run_rules(task);
    if (!task.target) task.grad = Variable();
    if (!mode_.create_graph && !mode_.retain_graph) task.node->release();
  }
  if (!mode_.create_graph && !mode_.partial)
    for (Task& task : tasks_)
      if (task.grad.defined() && !owns_memory(task.grad.value())) task.grad = task.grad.value().clone();
}

void Sweep::run_hooks(Task& task) {
  if (task.node->hooks.empty()) return;
  const std::vector<Node::Hook> hooks = task.node->hooks;  // a hook may remove itself
  for (const Node::Hook& hook : hooks) {
    const Variable replacement = hook.call(task.grad);
    if (!replacement.defined()) continue;
    if (replacement.shape() != task.grad.shape() || replacement.dtype() != task.grad.dtype())
      fail(*task.node, "a hook returned ", replacement.dtype(), ' ', replacement.shape(), " for a gradient ",
           task.grad.dtype(), ' ', task.grad.shape());
    task.grad = mode_.create_graph ? replacement : replacement.detach();
  }
}

void Sweep::run_rules(Task& task) {
  Node& node = *task.node;
  List<Task*> producers(node.inputs.size());
  Wanted wanted(node.inputs.size());
  List<Tensor*> sums(node.inputs.size());
  const bool in_place = !mode_.create_graph && !detail::anomaly_mode();
  for (size_t i = 0; i < producers.size(); ++i) {
    producers[i] = find(node.inputs[i].node);
    wanted[i] = producers[i] != nullptr && producers[i]->wanted();
    if (!in_place || !wanted[i]) continue;
    Variable& sum = producers[i]->grad;
    if (sum.defined() && owns_memory(sum.value())) sums[i] = &sum.value();
  }
  Variables gradients;
  {
    const AbsoluteScope scope(node.path);
    const detail::AnomalyPause pause;
    gradients = node.gradients(Step(node, task.grad, sums), wanted);
  }
  if (gradients.size() != producers.size())
    fail(node, "its rule returned ", gradients.size(), " gradients for ", producers.size(), " inputs");
  for (size_t i = 0; i < producers.size(); ++i) {
    Variable& gradient = gradients[i];
    if (!wanted[i] || !gradient.defined()) continue;
    const Node::Input& input = node.inputs[i];
    if (gradient.shape() != input.shape || gradient.dtype() != input.dtype)
      fail(node, "the gradient of input ", i, " is ", gradient.dtype(), ' ', gradient.shape(), ", the input ",
           input.dtype, ' ', input.shape);
    detail::inspect_gradient(node, i, gradient.value());
    add(*producers[i], mode_.create_graph ? std::move(gradient) : gradient.detach());
    gradient = Variable();
  }
}

void Sweep::add(Task& task, Variable gradient) {
  if (!task.grad.defined())
    task.grad = std::move(gradient);
  else if (mode_.create_graph)
    task.grad = kindling::add(task.grad, gradient);
  else if (owns_memory(task.grad.value()))
    task.grad.value().add_(gradient.value());
  else
    task.grad = kindling::add(task.grad.value(), gradient.value());
}

Variable Sweep::at(const Variable& target) const {
  const auto found = index_.find(target.node().get());
  return found == index_.end() ? Variable() : tasks_[found->second].grad;
}

void Sweep::store() {
  for (Task& task : tasks_) {
    if (!task.target || !task.grad.defined()) continue;
    Tensor& stored = static_cast<LeafNode&>(*task.node).grad;
    if (!stored.defined())
      stored = task.grad.value();
    else if (stored.is_contiguous())
      stored.add_(task.grad.value());
    else
      stored = kindling::add(stored, task.grad.value());
    task.grad = Variable();
  }
}

// The given seed, checked, or 1 for a single element.
Variable seed_for(const char* function, const Variable& output, const Variable& seed) {
  if (!seed.defined()) {
    check(output.numel() == 1, function, "an output of shape ", output.shape(), " needs a seed");
    return Tensor::ones(output.shape(), output.dtype());
  }
  check(seed.shape() == output.shape() && seed.dtype() == output.dtype(), function, "seed ", seed.dtype(), ' ',
        seed.shape(), " for an output ", output.dtype(), ' ', output.shape());
  return seed;
}

}  // namespace

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  if (!requires_grad()) throw Error("backward: this Variable does not require a gradient");
  Sweep sweep({*this}, {}, {.retain_graph = retain_graph});
  sweep.seed(*this, seed_for("backward", *this, seed));
  sweep.run();
  sweep.store();
}

Variables grad(const Variables& outputs, const Variables& inputs, CreateGraph create_graph, const Variables& seeds,
               bool allow_unused, bool retain_graph) {
  check(!inputs.empty(), "grad", "no inputs");
  check(seeds.empty() || seeds.size() == outputs.size(), "grad", seeds.size(), " seeds for ", outputs.size(),
        " outputs");
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].requires_grad()) throw Error("grad: input " + std::to_string(i) + " does not require a gradient");

  const bool create = create_graph == CreateGraph::yes;
  Sweep sweep(outputs, inputs, {.create_graph = create, .retain_graph = retain_graph});
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Variable seed = seed_for("grad", outputs[i], seeds.empty() ? Variable() : seeds[i]);
    sweep.seed(outputs[i], create ? seed : seed.detach());
  }
  sweep.run();

  Variables result;
  for (size_t i = 0; i < inputs.size(); ++i) {
    result.push_back(sweep.at(inputs[i]));
    if (!allow_unused && !result.back().defined())
      throw Error("grad: the outputs do not depend on input " + std::to_string(i) +
                  "; pass allow_unused if that is meant");
  }
  return result;
}

void add_grad(const Variable& output, const Variables& inputs, std::vector<Tensor>& sums, const Tensor& seed) {
  check(inputs.size() == sums.size(), "add_grad", sums.size(), " sums for ", inputs.size(), " inputs");
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].requires_grad())
      throw Error("add_grad: input " + std::to_string(i) + " does not require a gradient");
  Sweep sweep({output}, inputs, {});
  for (size_t i = 0; i < inputs.size(); ++i) sweep.add_to(inputs[i], sums[i]);
  sweep.seed(output, seed_for("add_grad", output, seed).detach());
  sweep.run();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Variable gradient = sweep.at(inputs[i]);
    if (!gradient.defined()) continue;
    if (sums[i].defined())
      sums[i].add_(gradient.value());
    else
      sums[i] = gradient.value();
  }
}

Variables gradients_of(FunctionRef<Variable()> f, const Variables& inputs, const Variable& grad) {
  const bool create = is_recording();
  const RecordingGuard guard(true);
  const Variable y = f();
  Variables targets;
  for (const Variable& input : inputs)
    if (input.requires_grad()) targets.push_back(input);
  Sweep sweep({y}, targets, {.create_graph = create, .partial = true});
  sweep.seed(y, grad);
  sweep.run();

  Variables result;
  List<const Node*> seen;  // an input that appears twice gets its gradient once
  for (const Variable& input : inputs) {
    const Node* node = input.node().get();
    const bool again = std::find(seen.begin(), seen.end(), node) != seen.end();
    result.push_back(again || node == nullptr ? Variable() : sweep.at(input));
    seen.push_back(node);
  }
  return result;
}

}  // namespace kindling
