#include <kindling/cli/model_graph.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <unordered_set>
#include <vector>

#include <kindling/autograd/node.h>
#include <kindling/nn/observer.h>

namespace kindling::cli {
namespace {

/// The first `depth` names of a path; "" if it has fewer.
std::string prefix(const std::string& path, int64_t depth) {
  if (path.empty()) return "";
  size_t end = path.find('/');
  for (int64_t level = 1; level < depth; ++level) {
    if (end == std::string::npos) return "";
    end = path.find('/', end + 1);
  }
  return path.substr(0, end);
}

/// Where a node is drawn: in the module that it was recorded in. The sum at the end of a bypass
/// stands
/// behind its module, so that the bypass is seen.
std::string place_of(const Node& node) {
  const std::string& path = *node.path;
  const bool sum = node.name == std::string_view("add");
  return sum ? path.substr(0, path.find('/') == std::string::npos ? 0 : path.rfind('/')) : path;
}

/// Nodes that depend on the image, in the order of recording. What parameters alone go into is left
/// out.
std::vector<const Node*> nodes_between(const Node* image, const Node* output) {
  std::vector<const Node*> found{output};
  std::unordered_set<const Node*> seen{output};
  for (size_t next = 0; next < found.size(); ++next)
    for (const Node::Input& input : found[next]->inputs)
      if (input.node && seen.insert(input.node.get()).second) found.push_back(input.node.get());
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->order < b->order; });

  std::unordered_set<const Node*> dependent{image};
  std::vector<const Node*> result{image};
  for (const Node* node : found)
    for (const Node::Input& input : node->inputs)
      if (dependent.contains(input.node.get()) && dependent.insert(node).second) result.push_back(node);
  return result;
}

struct Box {
  std::string label, frame;
};

/// Two modules that one node has computed, as a convolution and its pooling: the node has the path
/// of the first.
struct Joint {
  Shape between;       ///< of what the first puts out
  std::string second;  ///< path
};
using Joints = std::map<const Node*, Joint>;

/// What is drawn: boxes in the order of the data, each standing
/// for one node of the autograd graph or all of a module's.
class Picture {
 public:
  Picture(int64_t depth, std::map<std::string, std::string> kinds, Joints joints)
      : depth_(depth), kinds_(std::move(kinds)), joints_(std::move(joints)) {}

  void add(const Node* node) {
    const auto joint = joints_.find(node);
    const bool two = joint != joints_.end();
    const size_t box = box_for(node, place_of(*node), two ? joint->second.between : node->shape);
    for (const Node::Input& input : node->inputs) {
      const auto from = box_of_.find(input.node.get());
      if (from != box_of_.end() && from->second != box) arrows_.insert({from->second, box});
    }
    box_of_[node] = box;
    if (!two) return;
    const size_t second = box_for(node, joint->second.second, node->shape);
    if (second != box) arrows_.insert({box, second});
    box_of_[node] = second;
  }

  std::string dot() const {
    std::ostringstream out;
    out << "digraph model {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n";
    std::map<std::string, std::vector<size_t>> frames;
    for (size_t i = 0; i < boxes_.size(); ++i) frames[boxes_[i].frame].push_back(i);
    for (const auto& [frame, members] : frames) {
      if (!frame.empty()) out << "  subgraph \"cluster_" << frame << "\" {\n    label=\"" << frame << "\";\n";
      for (const size_t i : members) out << "  n" << i << " [label=\"" << boxes_[i].label << "\"];\n";
      if (!frame.empty()) out << "  }\n";
    }
    for (const auto& [from, to] : arrows_) out << "  n" << from << " -> n" << to << ";\n";
    out << "}\n";
    return out.str();
  }

 private:
  /// The box of the module at `path`, or one of its own for a node deeper than that.
  size_t box_for(const Node* node, const std::string& path, const Shape& shape) {
    const std::string module = prefix(path, depth_);
    const auto known = module_boxes_.find(module);
    size_t box = boxes_.size();
    if (!module.empty() && known != module_boxes_.end()) {
      box = known->second;
    } else {
      boxes_.emplace_back();
      if (!module.empty()) module_boxes_[module] = box;
    }
    describe(boxes_[box], node, module.empty() ? path : module, shape, !module.empty());
    return box;
  }

  /// A module's box takes its shape from the last node in it.
  void describe(Box& box, const Node* node, const std::string& path, const Shape& shape, bool is_module) const {
    std::ostringstream label;
    if (node->is_leaf())
      label << "image";
    else if (is_module)
      label << path << "\\n" << kinds_.at(path);
    else
      label << node->name;
    label << "\\n" << shape;
    box.label = label.str();
    box.frame = is_module ? path.substr(0, std::min(path.rfind('/'), path.size())) : path;
    if (is_module && path.find('/') == std::string::npos) box.frame.clear();
  }

  int64_t depth_;
  std::map<std::string, std::string> kinds_;
  Joints joints_;
  std::vector<Box> boxes_;
  std::map<std::string, size_t> module_boxes_;
  std::map<const Node*, size_t> box_of_;
  std::set<std::pair<size_t, size_t>> arrows_;
};

}  // namespace

std::string model_to_dot(Module& model, const Tensor& input, int64_t depth) {
  const EvaluationMode evaluation(model);
  std::map<std::string, std::string> kinds;
  Joints joints;
  const CallObserver observer([&](Module& module, const std::string& path, const Variable& x, const Variable& y) {
    kinds[path] = module.kind();
    // Of a joint pass the second layer sees an input outside the graph.
    if (!module.has_parts() && x.node() == nullptr && *y.node()->path != path)
      joints[y.node().get()] = {x.shape(), path};
  });
  const Variable image(input, /*requires_grad=*/true);
  const Variable output = model(image);
  Picture picture(depth, std::move(kinds), std::move(joints));
  for (const Node* node : nodes_between(image.node().get(), output.node().get())) picture.add(node);
  return picture.dot();
}

}  // namespace kindling::cli
