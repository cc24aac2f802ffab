// kindling graph: the model's or the autograd graph in Graphviz's DOT language.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/autograd/graph.h>
#include <kindling/cli/model_graph.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>

namespace kindling::cli {
namespace {

struct GraphOptions {
  Everywhere everywhere;
  ModelChoice model;
  bool autograd = false;
  int64_t depth = 1;
};

void declare(GraphOptions& options, Settings& settings) {
  settings.group("Graph");
  settings.add_flag("autograd", options.autograd, "Every recorded operation and parameter instead of layers");
  settings.add("depth", options.depth, "N", "Levels of modules that are opened")->check(at_least(1));
  options.model.declare(settings);
}

std::string autograd_dot(Module& model, const Tensor& input) {
  const EvaluationMode evaluation(model);
  std::unordered_map<const Node*, std::string> names;
  for (const NamedParameter& parameter : model.named_parameters()) names[parameter.value.node().get()] = parameter.name;
  return to_dot(model(input), names);
}

int run(GraphOptions& options, Settings& settings) {
  const std::optional<RunFacts> facts = apply_run_of(options.model, settings);
  const int64_t channels = facts ? facts->channels : options.model.info().channels;
  Rng rng(options.everywhere.seed);
  const std::unique_ptr<Module> model = options.model.load(rng, channels);
  const Tensor input = Tensor::zeros({1, options.model.input_size(), options.model.input_size(), channels});
  const std::string dot = options.autograd ? autograd_dot(*model, input) : model_to_dot(*model, input, options.depth);
  if (options.everywhere.json)
    print_json({{"dot", dot}});
  else
    print("{}", dot);
  return kDone;
}

}  // namespace

void add_graph(Program& program) {
  program.add<GraphOptions>(program.root(), "graph",
                            "The model's or the autograd graph as DOT, which dot (package graphviz) draws",
                            "kindling graph --model squeezenet1_0 --bypass simple | dot -Tsvg > v1.svg", declare, run);
}

}  // namespace kindling::cli
