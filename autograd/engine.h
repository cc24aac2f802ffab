// The backward pass over a part of the graph, for backward(), grad() and their like. Internal to
// autograd/.
#pragma once

#include <unordered_map>
#include <vector>

#include <kindling/autograd/record.h>

namespace kindling::detail {

/// A node of the pass.
struct Task {
  Node* node;
  Variable grad;        ///< the sum of what has arrived so far
  bool target = false;  ///< its gradient is asked for
  bool runs = false;    ///< its rules are run, because a target lies behind it
  bool owns = false;    ///< nothing else sees the elements of grad, though other parts of its memory

  bool wanted() const { return target || runs; }
};

struct SweepMode {
  bool create_graph = false;  ///< the rules are recorded
  bool retain_graph = false;  ///< operations stay usable
  bool partial = false;       ///< targets count as independent: nothing behind them is run
};

/// One pass. It writes to the nodes that it runs and to no other.
class Sweep {
 public:
  /// With no targets, every leaf is one.
  Sweep(const Variables& outputs, const Variables& targets, SweepMode mode);

  void seed(const Variable& output, const Variable& gradient);
  void run();
  /// After run(): the gradient that arrived at a target, undefined if none did.
  Variable at(const Variable& target) const;

  std::vector<Task>& tasks() { return tasks_; }
  /// Null if the node is not part of the pass.
  Task* find(const std::shared_ptr<Node>& node);

 private:
  void collect(const Variables& outputs, const Variables& targets);
  void mark_running();
  void pull(Task& task);
  void add(Task& task, Variable gradient);
  bool may_overwrite(const Task& task) const;
  bool at_boundary(const Task& task) const { return mode_.partial && task.target; }

  SweepMode mode_;
  std::vector<Task> tasks_;  ///< last recorded first, so every node comes after all its users
  std::unordered_map<const Node*, size_t> index_;
};

/// Calls the hooks of a node whose gradient is complete; each may replace it.
void run_hooks(const Node& node, Variable& gradient, bool create_graph);

/// Throws Error if a rule's gradients are too few or many, or of another shape or dtype than the
/// inputs; in anomaly mode also if one has a NaN or Inf.
void check_gradients(const Node& node, const Variables& gradients, const Wanted& wanted);

// Adding in place. Most memory of a backward pass is spent on sums of gradients.

/// Whether x may be changed in place: nothing else sees its memory, and no element of it is there
/// twice.
bool owns_memory(const Tensor& x);
/// Whether a + b may be computed in the memory of a.
bool may_hold_sum(const Tensor& a, const Tensor& b);
/// The sum of what has arrived at a node, if a rule may add to it: see Step::out(). Not while rules
/// are recorded, nor in anomaly mode, where every gradient is looked at by itself.
const Tensor* open_sum(const Variable& sum, bool create_graph);
/// Whether a rule has added to the open sum (null: none) and returned it.
bool was_added_to(const Tensor* sum, const Variable& gradient);
/// sum += gradient; in place where it can be.
void accumulate(Variable& sum, Variable gradient, bool create_graph);

}  // namespace kindling::detail
