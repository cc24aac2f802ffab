// The graph behind Variables: recorded operations, and leaves that collect gradients. For record.h and the engine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <kindling/autograd/variable.h>

namespace kindling {

class Step;

/// A mark for each input of an operation whose gradient is asked for.
using Wanted = std::vector<bool>;

/// The tensors that the gradient rules of an operation read. Others are not kept alive for them.
/// Shapes are always there.
enum class Keep : uint8_t {
  nothing = 0,
  inputs = 1,
  output = 2,
  all = 3,
  others = 4,  ///< for products: rule i reads every input except i
};

/// One recorded operation, or a leaf.
class Node : public std::enable_shared_from_this<Node> {
 public:
  struct Input {
    std::shared_ptr<Node> node;  ///< null where no gradient is required
    Shape shape;
    DType dtype = DType::f32;
    Tensor value;          ///< undefined if not kept
    uint64_t version = 0;  ///< of the value's storage when it was kept
  };
  struct Hook {
    int64_t id;
    std::function<Variable(const Variable&)> call;
  };

  explicit Node(const char* name);
  /// Frees the nodes that only this one held, without recursion, however long the chain is.
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Gradients of the inputs that `wanted` marks, in input order; the others are left undefined.
  virtual Variables gradients(const Step& step, const Wanted& wanted) const = 0;
  virtual bool is_leaf() const { return false; }
  /// Drops the kept tensors; the operation cannot be differentiated any more.
  void release();

  const char* name;           ///< of the operation
  const std::string* path;    ///< layer in which it was recorded
  const uint64_t order;       ///< of recording: larger than those of its inputs
  bool requires_grad = true;  ///< false for a frozen leaf
  bool released = false;
  bool splits_grad = false;  ///< its rules return parts of the gradient that do not overlap
  std::vector<Input> inputs;
  Shape shape;  ///< of the result
  DType dtype = DType::f32;
  Tensor output;  ///< undefined if not kept
  uint64_t output_version = 0;
  std::vector<Hook> hooks;
};

/// A Variable that the user made, and where backward() puts its gradient.
class LeafNode final : public Node {
 public:
  explicit LeafNode(const Tensor& value);
  Variables gradients(const Step&, const Wanted&) const override { return {}; }
  bool is_leaf() const override { return true; }

  Tensor grad;  ///< undefined before backward()
  Constraint constraint;
};

namespace detail {

/// Throws Error "<layer path>: <op>: <parts...>".
template <class... Parts>
[[noreturn]] void fail(const std::string& path, const char* op, const Parts&... parts) {
  throw Error(message(path, op, {Part(parts)...}));
}
template <class... Parts>
[[noreturn]] void fail(const Node& node, const Parts&... parts) {
  fail(*node.path, node.name, parts...);
}

}  // namespace detail

}  // namespace kindling
