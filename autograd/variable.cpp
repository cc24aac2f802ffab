#include <kindling/autograd/variable.h>

#include <algorithm>

#include <kindling/autograd/node.h>

namespace kindling {
namespace {

thread_local bool recording = true;

std::shared_ptr<LeafNode> make_leaf(const Tensor& value) {
  check(is_floating(value.dtype()), "requires_grad", "only f32 and f64 can require a gradient, got ", value.dtype());
  return std::make_shared<LeafNode>(value);
}

LeafNode& leaf_of(const Variable& variable) {
  if (!variable.node() || !variable.is_leaf())
    throw Error(std::string("grad: the result of ") + variable.op_name() + " stores no gradient, only leaves do; " +
                "use register_hook() or the function grad()");
  return static_cast<LeafNode&>(*variable.node());
}

}  // namespace

Variable::Variable(Tensor value, bool requires_grad) : value_(std::move(value)) {
  if (requires_grad) node_ = make_leaf(value_);
}

bool Variable::requires_grad() const { return node_ != nullptr && node_->requires_grad; }

bool Variable::is_leaf() const { return node_ == nullptr || node_->is_leaf(); }

void Variable::set_requires_grad(bool on) {
  if (!is_leaf()) throw Error(std::string("set_requires_grad: this is the result of ") + op_name() + "; use detach()");
  if (node_ != nullptr)
    node_->requires_grad = on;
  else if (on)
    node_ = make_leaf(value_);
}

const Tensor& Variable::grad() const { return leaf_of(*this).grad; }
Tensor& Variable::grad() { return leaf_of(*this).grad; }

void Variable::zero_grad() {
  if (node_ != nullptr) leaf_of(*this).grad = Tensor();
}

const Constraint& Variable::constraint() const {
  static const Constraint none;
  return node_ != nullptr && node_->is_leaf() ? static_cast<const LeafNode&>(*node_).constraint : none;
}

void Variable::set_constraint(Constraint constraint) {
  const Tensor& codes = constraint.codes;
  check(codes.defined() || !constraint.shared, "set_constraint", "shared elements need codes");
  if (codes.defined())
    check(codes.dtype() == DType::u8 && codes.shape() == shape() && codes.is_contiguous(), "set_constraint", "codes ",
          codes.dtype(), " ", codes.shape(), " for a parameter of shape ", shape());
  if (!is_leaf()) throw Error(std::string("set_constraint: this is the result of ") + op_name() + "; use detach()");
  const bool trained = requires_grad();
  if (node_ == nullptr) set_requires_grad(true);
  leaf_of(*this).constraint = std::move(constraint);
  if (!trained) set_requires_grad(false);
}

int64_t Variable::register_hook(std::function<Variable(const Variable& grad)> hook) const {
  if (!requires_grad()) throw Error("register_hook: this Variable does not require a gradient");
  const int64_t id = node_->hooks.empty() ? 0 : node_->hooks.back().id + 1;
  node_->hooks.push_back({id, std::move(hook)});
  return id;
}

void Variable::remove_hook(int64_t id) const {
  if (node_ != nullptr) std::erase_if(node_->hooks, [id](const Node::Hook& hook) { return hook.id == id; });
}

const char* Variable::op_name() const { return node_ != nullptr ? node_->name : "constant"; }

bool is_recording() { return recording; }

RecordingGuard::RecordingGuard(bool on) : before_(recording) { recording = on; }
RecordingGuard::~RecordingGuard() { recording = before_; }

}  // namespace kindling
