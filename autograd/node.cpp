#include <kindling/autograd/node.h>

#include <atomic>

#include <kindling/autograd/record.h>

namespace kindling {
namespace {

uint64_t next_order() {
  static std::atomic<uint64_t> count{0};
  return count.fetch_add(1, std::memory_order_relaxed);
}

// What `node` kept (`what`: "input 1" or "the result"), as the Variable that `producer` made.
Variable kept(const Node& node, const std::string& what, const Tensor& value, uint64_t version,
              const std::shared_ptr<Node>& producer) {
  if (!value.defined())
    detail::fail(node, "its gradient rule reads ", what, ", which was not kept: see Keep in record()");
  const Storage& storage = *value.storage();
  if (storage.version() != version)
    detail::fail(node, what, ' ', value.shape(), " was kept for the gradient and has since been changed in place by ",
                 storage.writer(), "; change a clone() of it, or change it after backward()");
  return Variable(value, producer);
}

}  // namespace

Node::Node(const char* op) : name(op), path(Scope::path()), order(next_order()) {}

Node::~Node() {
  // The innermost destructor call hands its inputs to the outermost one, which frees them in a loop.
  thread_local std::vector<std::shared_ptr<Node>>* pending = nullptr;
  std::vector<std::shared_ptr<Node>> mine;
  const bool outermost = pending == nullptr;
  if (outermost) pending = &mine;
  for (Input& input : inputs)
    if (input.node) pending->push_back(std::move(input.node));
  if (!outermost) return;
  while (!mine.empty()) {
    const std::shared_ptr<Node> next = std::move(mine.back());
    mine.pop_back();
  }
  pending = nullptr;
}

void Node::release() {
  for (Input& input : inputs) input.value = Tensor();
  output = Tensor();
  released = true;
}

LeafNode::LeafNode(const Tensor& value) : Node("leaf") {
  shape = value.shape();
  dtype = value.dtype();
}

Variable Step::input(size_t i) const {
  const Node::Input& in = node_.inputs.at(i);
  return kept(node_, "input " + std::to_string(i), in.value, in.version, in.node);
}

Variable Step::output() const {
  return kept(node_, "the result", node_.output, node_.output_version, node_.shared_from_this());
}

void check_not_adding(const char* op, const Out& out) {
  if (out.adds() && is_recording())
    detail::fail(*Scope::path(), op, "a result that is added to a tensor cannot be recorded; use NoGrad");
}

namespace detail {

bool needs_recording(const Variables& inputs) {
  if (!is_recording()) return false;
  for (const Variable& input : inputs)
    if (input.requires_grad()) return true;
  return false;
}

Variable attach(std::shared_ptr<Node> node, Tensor value, const Variables& inputs, Keep keep) {
  size_t needing = 0;
  for (const Variable& input : inputs) needing += input.requires_grad() ? 1 : 0;

  node->inputs.reserve(inputs.size());
  for (const Variable& input : inputs) {
    Node::Input& in = node->inputs.emplace_back();
    if (!input.defined()) continue;
    const bool needs_grad = input.requires_grad();
    in.shape = input.shape();
    in.dtype = input.dtype();
    if (needs_grad) in.node = input.node();
    const bool kept_for_others = keep == Keep::others && needing > (needs_grad ? 1 : 0);
    if (keep == Keep::inputs || keep == Keep::all || kept_for_others) {
      in.value = input.value();
      in.version = in.value.storage()->version();
    }
  }
  node->shape = value.shape();
  node->dtype = value.dtype();
  if (keep == Keep::output || keep == Keep::all) {
    node->output = value;
    node->output_version = value.storage()->version();
  }
  return Variable(std::move(value), std::move(node));
}

}  // namespace detail
}  // namespace kindling
