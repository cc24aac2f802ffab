#include <kindling/nn/summary.h>

#include <algorithm>
#include <set>
#include <utility>

#include <kindling/nn/observer.h>

namespace kindling {
namespace {

/// Looks at the members of one module, without descending.
class OwnMembers final : public Visitor {
 public:
  explicit OwnMembers(Module& module) { module.visit(*this); }
  void operator()(std::string_view, Variable& parameter) override {
    if (parameter.defined()) parameters += parameter.numel();
  }
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view, Module& part) override { parts.push_back(&part); }

  int64_t parameters = 0;
  std::vector<Module*> parts;
};

/// The first `depth` names of a path; all of it for depth 0.
std::string cut_path(const std::string& path, int64_t depth) {
  if (depth == 0) return path;
  size_t end = path.find('/');
  for (int64_t level = 1; level < depth && end != std::string::npos; ++level) end = path.find('/', end + 1);
  return path.substr(0, end);
}

/// Makes rows of the calls of modules. A module is told of when it returns, so after its parts.
class Recorder {
 public:
  explicit Recorder(int64_t depth) : depth_(depth) {}

  void record(Module& module, const std::string& path, const Shape& input, const Shape& output) {
    const OwnMembers own(module);
    const std::string name = cut_path(path, depth_);
    auto row = depth_ == 0 ? rows_.end() : find(name);
    if (row == rows_.end()) {
      const bool only_parts = !own.parts.empty() && own.parameters == 0;
      if (only_parts) return;
      row = rows_.insert(row, {name, module.kind(), output, 0, 0});
    } else if (name == path) {  // the row so far holds parts of this module: from now on it is the module's own
      row->kind = module.kind();
      row->output_shape = output;
    }
    if (seen_.insert(&module).second) row->parameters += own.parameters;
    row->macs += module.macs(input, output);
  }

  std::vector<LayerSummary> rows() && { return std::move(rows_); }

 private:
  std::vector<LayerSummary>::iterator find(const std::string& name) {
    return std::find_if(rows_.begin(), rows_.end(), [&](const LayerSummary& row) { return row.name == name; });
  }

  int64_t depth_;
  std::set<const Module*> seen_;
  std::vector<LayerSummary> rows_;
};

}  // namespace

Summary summarize(Module& model, const Shape& input, int64_t depth) {
  check(depth >= 0, "summarize", "depth must not be negative, got ", depth);
  Recorder recorder(depth);
  {
    const EvaluationMode evaluation(model);
    const NoGrad no_grad;
    const CallObserver observer([&](Module& module, const std::string& path, const Variable& x, const Variable& y) {
      recorder.record(module, path, x.shape(), y.shape());
    });
    model(Tensor::zeros(input, model.dtype()));
  }
  Summary summary{std::move(recorder).rows(), 0, 0};
  for (const LayerSummary& layer : summary.layers) {
    summary.parameters += layer.parameters;
    summary.macs += layer.macs;
  }
  return summary;
}

}  // namespace kindling
