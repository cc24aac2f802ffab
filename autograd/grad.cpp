// The functions that take gradients: each is a pass of the engine and what is done with its results.
#include <algorithm>
#include <string>

#include <kindling/autograd/engine.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {

using detail::Sweep;
using detail::Task;

namespace {

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

// Adds what arrived at every leaf to its grad.
void store(Sweep& sweep) {
  for (Task& task : sweep.tasks()) {
    if (!task.target || !task.grad.defined()) continue;
    Tensor& stored = static_cast<LeafNode&>(*task.node).grad;
    if (!stored.defined())
      stored = task.grad.value();
    else if (stored.is_contiguous())
      stored.add_(task.grad.value());
    else
      stored = add(stored, task.grad.value());
    task.grad = Variable();
  }
}

// Lets what arrives at a target be added to `sum`, which is taken. Not if hooks would see it. If other
// targets lie behind this input, its rule must see only this gradient, not the old sum.
void add_to(Sweep& sweep, const Variable& target, Tensor& sum) {
  Task* task = sweep.find(target.node());
  if (task == nullptr || task->runs || !sum.defined() || !task->node->hooks.empty()) return;
  if (task->grad.defined()) throw Error("add_grad: an input appears twice");
  task->grad = Variable(std::move(sum));
  sum = Tensor();
}

}  // namespace

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  if (!requires_grad()) throw Error("backward: this Variable does not require a gradient");
  Sweep sweep({*this}, {}, {.retain_graph = retain_graph});
  sweep.seed(*this, seed_for("backward", *this, seed));
  sweep.run();
  store(sweep);
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
  for (size_t i = 0; i < inputs.size(); ++i) add_to(sweep, inputs[i], sums[i]);
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
  std::vector<const Node*> seen;  // an input that appears twice gets its gradient once
  for (const Variable& input : inputs) {
    const Node* node = input.node().get();
    const bool again = std::find(seen.begin(), seen.end(), node) != seen.end();
    result.push_back(again || node == nullptr ? Variable() : sweep.at(input));
    seen.push_back(node);
  }
  return result;
}

}  // namespace kindling
