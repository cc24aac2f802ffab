#include <kindling/cli/model_graph.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <unordered_set>
#include <vector>

#include <kindling/autograd/node.h>

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

/// What is drawn: boxes in the order of the data, each standing
/// for one node of the autograd graph or all of a module's.
class Picture {
 public:
  Picture(int64_t depth, std::map<std::string, std::string> kinds) : depth_(depth), kinds_(std::move(kinds)) {}

  void add(const Node* node) {
    const std::string module = prefix(*node->path, depth_);
    const auto known = module_boxes_.find(module);
    size_t box = boxes_.size();
    if (!module.empty() && known != module_boxes_.end()) {
      box = known->second;
    } else {
      boxes_.emplace_back();
      if (!module.empty()) module_boxes_[module] = box;
    }
    describe(boxes_[box], node, module);
    box_of_[node] = box;
    for (const Node::Input& input : node->inputs) {
      const auto from = box_of_.find(input.node.get());
      if (from != box_of_.end() && from->second != box) arrows_.insert({from->second, box});
    }
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
  /// A module's box takes its shape from the last node in it.
  void describe(Box& box, const Node* node, const std::string& module) const {
    std::ostringstream label;
    if (node->is_leaf())
      label << "image";
    else if (module.empty())
      label << node->name;
    else
      label << module << "\\n" << kinds_.at(module);
    label << "\\n" << node->shape;
    box.label = label.str();
    const std::string& path = module.empty() ? *node->path : module;
    box.frame = module.empty() ? path : path.substr(0, std::min(path.rfind('/'), path.size()));
    if (!module.empty() && path.find('/') == std::string::npos) box.frame.clear();
  }

  int64_t depth_;
  std::map<std::string, std::string> kinds_;
  std::vector<Box> boxes_;
  std::map<std::string, size_t> module_boxes_;
  std::map<const Node*, size_t> box_of_;
  std::set<std::pair<size_t, size_t>> arrows_;
};

}  // namespace

std::string model_to_dot(Module& model, const Tensor& input, int64_t depth) {
  const EvaluationMode evaluation(model);
  std::map<std::string, std::string> kinds;
  const CallObserver observer(
      [&](Module& module, const std::string& path, const Variable&, const Variable&) { kinds[path] = module.kind(); });
  const Variable image(input, /*requires_grad=*/true);
  const Variable output = model(image);
  Picture picture(depth, std::move(kinds));
  for (const Node* node : nodes_between(image.node().get(), output.node().get())) picture.add(node);
  return picture.dot();
}

}  // namespace kindling::cli
