// Variable: a tensor and how it came to be. Reverse-mode automatic differentiation.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

class Node;

/// What the elements of a parameter keep to while optimisers move it (optim/optimizer.h). This is
/// how pruning and weight sharing last through training.
struct Constraint {
  /// u8, of the parameter's shape: elements of code 0 are 0. Undefined: all elements are free.
  Tensor codes;
  /// Elements with the same code are equal, and move as one number. Otherwise those of other codes
  /// than 0 move by themselves.
  bool shared = false;
};

/// A tensor with its place in the graph of recorded operations. Copies are handles to the same
/// tensor and place. A leaf that requires a gradient (a parameter) keeps it in `grad()` after
/// `backward()`; a constant has no place at all.
class Variable {
 public:
  Variable() = default;
  /// A constant, or a leaf that collects gradients. Only f32 and f64 can require a gradient
  /// (ShapeError).
  Variable(Tensor value, bool requires_grad = false);  // NOLINT: implicit, so that tensors can be mixed in as constants

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  Tensor& value() { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int64_t size(int64_t axis) const { return value_.size(axis); }
  int64_t rank() const { return value_.rank(); }
  int64_t numel() const { return value_.numel(); }
  DType dtype() const { return value_.dtype(); }
  template <class T = double>
  T item() const {
    return value_.item<T>();
  }

  bool requires_grad() const;
  /// Turns a leaf's gradient on or off (freezing). Throws Error for the result of an operation. All
  /// copies made since it first required one see the change.
  void set_requires_grad(bool on);
  bool is_leaf() const;

  /// The gradient that backward() has added up, undefined before; only leaves have one. Throws
  /// Error for others.
  const Tensor& grad() const;
  Tensor& grad();
  /// Forgets the gradient, so that the next backward() starts from nothing.
  void zero_grad();

  /// What holds this leaf's elements; nothing does at first. All copies made since it first
  /// required a gradient share it. Values are not changed: they must keep to it already. Throws
  /// ShapeError if the codes are not u8 of this shape, Error for the result of an operation.
  const Constraint& constraint() const;
  void set_constraint(Constraint constraint);

  /// d(this)/d(leaf), added to grad() of every leaf that this depends on. `seed` is dL/d(this), of
  /// this shape; it may be left out for a single element (1). What is stored are plain values that
  /// share memory with nothing else. Frees the graph unless `retain_graph`; a second call through
  /// freed operations throws Error. Leaves that several graphs share may be read by threads at
  /// will, but only one of them may call backward(): the others take gradients from grad().
  void backward(const Tensor& seed = {}, bool retain_graph = false) const;

  /// The same values as a constant: no gradient flows through it.
  Variable detach() const { return Variable(value_); }

  /// `hook(g)` is called with the gradient of this Variable as soon as it is complete, in
  /// backward() and grad(), in the order of registration; if it returns a defined Variable, that
  /// takes the gradient's place. Under CreateGraph::yes what it does is recorded. Throws Error if
  /// no gradient is required. The result names the hook for remove_hook.
  int64_t register_hook(std::function<Variable(const Variable& grad)> hook) const;
  void remove_hook(int64_t id) const;

  /// The operation that made this ("conv2d"), "leaf" or "constant".
  const char* op_name() const;
  const std::shared_ptr<Node>& node() const { return node_; }
  /// For the engine: `value` as the result (or saved input) of `node`.
  Variable(Tensor value, std::shared_ptr<Node> node) : value_(std::move(value)), node_(std::move(node)) {}

 private:
  Tensor value_;
  std::shared_ptr<Node> node_;
};

using Variables = std::vector<Variable>;

enum class CreateGraph : bool { no, yes };

/// dL/d(inputs) where L = sum over outputs of <seeds_i, outputs_i>; a seed may be left out for an
/// output of one element (1). With CreateGraph::yes the results are themselves recorded, so they
/// can be differentiated again, and the graph is retained; else they are constants that share
/// memory with nothing else (of an input that appears twice, with each other). `inputs` may be any
/// Variables that require a gradient, not only leaves; only operations between them and the outputs
/// are run (and freed, unless `retain_graph`). Leaves' grad() is not touched, and nothing is
/// written to leaves, so threads may share them. An input that L does not depend on gets an
/// undefined Variable if `allow_unused`, else throws Error.
Variables grad(const Variables& outputs, const Variables& inputs, CreateGraph create_graph = CreateGraph::no,
               const Variables& seeds = {}, bool allow_unused = false, bool retain_graph = false);

/// Like grad(), but adds each gradient to sums[i]; for micro-batches. An undefined sum becomes the
/// gradient, or stays undefined if `output` does not depend on the input. A sum has its input's
/// dtype, is contiguous and shares memory with nothing. All sums are lost if this throws. `inputs`
/// are different from each other. Frees the graph.
void add_grad(const Variable& output, const Variables& inputs, std::vector<Tensor>& sums, const Tensor& seed = {});

/// Whether operations are recorded in the calling thread (the default).
bool is_recording();
/// Sets recording on or off, in the calling thread, while it lives.
class RecordingGuard {
 public:
  explicit RecordingGuard(bool on);
  ~RecordingGuard();
  RecordingGuard(const RecordingGuard&) = delete;
  RecordingGuard& operator=(const RecordingGuard&) = delete;

 private:
  bool before_;
};
/// No recording while it lives (evaluation, updates of parameters).
class NoGrad : public RecordingGuard {
 public:
  NoGrad() : RecordingGuard(false) {}
};

/// While it lives (in the thread that made it) every operation's result and every gradient is
/// looked at, and the first NaN or Inf throws Error naming layer path, operation, direction and
/// position: "fire3/squeeze: log: first non-finite value: -inf at [0, 2] of the result [4, 3]".
class AnomalyMode {
 public:
  AnomalyMode();
  ~AnomalyMode();
  AnomalyMode(const AnomalyMode&) = delete;
  AnomalyMode& operator=(const AnomalyMode&) = delete;

 private:
  bool before_;
};

}  // namespace kindling
