#include <kindling/autograd/graph.h>

#include <algorithm>
#include <sstream>
#include <unordered_set>

#include <kindling/autograd/node.h>

namespace kindling {
namespace {

// Every node that `root` was computed from and itself, in order of recording.
std::vector<const Node*> nodes_behind(const Node* root) {
  std::vector<const Node*> found{root};
  std::unordered_set<const Node*> seen{root};
  for (size_t next = 0; next < found.size(); ++next)
    for (const Node::Input& input : found[next]->inputs)
      if (input.node && seen.insert(input.node.get()).second) found.push_back(input.node.get());
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->order < b->order; });
  return found;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string to_dot(const Variable& output, const std::unordered_map<const Node*, std::string>& names) {
  std::ostringstream dot;
  dot << "digraph autograd {\n  rankdir=TB;\n  node [fontname=\"sans-serif\"];\n";
  const std::vector<const Node*> nodes = output.node() ? nodes_behind(output.node().get()) : std::vector<const Node*>{};
  std::unordered_map<const Node*, size_t> ids;
  for (const Node* node : nodes) {
    const size_t id = ids.size();
    ids[node] = id;
    const auto name = names.find(node);
    dot << "  n" << id << " [shape=" << (node->is_leaf() ? "ellipse" : "box") << ", label=\""
        << (name != names.end() ? escaped(name->second) : node->name);
    if (!node->path->empty()) dot << "\\n" << escaped(*node->path);
    dot << "\\n" << node->shape << "\"];\n";
    for (const Node::Input& input : node->inputs)
      if (input.node) dot << "  n" << ids.at(input.node.get()) << " -> n" << id << ";\n";
  }
  dot << "}\n";
  return dot.str();
}

}  // namespace kindling
