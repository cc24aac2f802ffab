// kindling gradcheck: proves the gradients of operations and models in double precision.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/autograd/op_table.h>
#include <kindling/autograd/ops/softmax.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/nn/dropout.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

struct GradcheckCommand {
  Everywhere everywhere;
  ModelChoice model;
  bool all = false;
  std::string op;
  int order = 1;
};

void declare(GradcheckCommand& options, Settings& settings) {
  settings.group("What");
  settings.add_flag("all", options.all, "Every operation of the table");
  settings.add("op", options.op, "NAME", "One operation");
  settings.add("order", options.order, "N", "2: the gradient of the gradient as well")->check(in_range(1, 3));
  options.model.declare(settings);
}

struct Row {
  std::string name;
  GradcheckResult result;
};

/// Rows as they come, and the sum of them.
class Report {
 public:
  explicit Report(const GradcheckCommand& options) : options_(options), style_(1) {}

  void add(const std::string& name, GradcheckResult result) {
    if (!options_.everywhere.json)
      print("{}  {:<52} {}\n", result.ok ? style_.green("ok    ") : style_.red("FAILED"), name, result.message);
    std::fflush(stdout);
    rows_.push_back({name, std::move(result)});
  }

  int finish() const {
    const auto failed = std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return !row.result.ok; });
    if (options_.everywhere.json) {
      print_json(document(failed));
    } else {
      print("\n{} checked to order {}, {} failed; worst error {:.1e}: {}\n", rows_.size(), options_.order, failed,
            worst().result.worst.error, worst().name);
    }
    return failed == 0 ? kDone : kFailed;
  }

 private:
  /// A failed one before those that are right; among equals the one with the largest error.
  const Row& worst() const {
    return *std::max_element(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return std::pair(!a.result.ok, a.result.worst.error) < std::pair(!b.result.ok, b.result.worst.error);
    });
  }

  Json document(int64_t failed) const {
    Json results = Json::array();
    for (const auto& [name, result] : rows_)
      results.push_back({{"name", name},
                         {"ok", result.ok},
                         {"error", result.worst.error},
                         {"comparisons", result.checked},
                         {"kinks", result.kinks},
                         {"message", result.message}});
    return {{"checked", rows_.size()},
            {"failed", failed},
            {"worst", {{"name", worst().name}, {"error", worst().result.worst.error}}},
            {"order", options_.order},
            {"results", results}};
  }

  const GradcheckCommand& options_;
  Style style_;
  std::vector<Row> rows_;
};

std::vector<std::string> op_names() {
  std::set<std::string> names;
  for (const OpCase& op_case : op_table()) names.insert(op_case.op);
  return {names.begin(), names.end()};
}

/// Puts other Variables in the places of a model's parameters, in the order of visit.
class ReplaceParameters final : public Visitor {
 public:
  ReplaceParameters(Module& model, const Variables& parameters) : next_(parameters.begin()) { model.visit(*this); }
  using Visitor::operator();
  void operator()(std::string_view, Variable& parameter) override {
    if (parameter.defined()) parameter = *next_++;
  }
  void operator()(std::string_view, Tensor&) override {}

 private:
  Variables::const_iterator next_;
};

/// The training loss of two random images as a function of all parameters, dropout masks and batch
/// statistics included.
GradcheckResult check_model(const GradcheckCommand& options) {
  Rng rng(options.everywhere.seed);
  ModelChoice choice = options.model;
  if (choice.size == 0) choice.size = choice.model == "lenet" ? choice.info().size : choice.info().smallest_size;
  const std::unique_ptr<Module> model = choice.load(rng);
  model->to(DType::f64);

  const ModelInfo info = choice.info();
  const int64_t classes = choice.classes > 0 ? choice.classes : info.classes;
  const Tensor images = Tensor::normal({2, choice.size, choice.size, info.channels}, 0, 1, rng, DType::f64);
  const Tensor labels = Tensor::from<int64_t>({0, classes - 1});
  const auto loss = [&](const Variables& parameters) {
    ReplaceParameters(*model, parameters);
    const RandomStep same_masks_each_time(0);
    return cross_entropy((*model)(images), labels);
  };
  const std::vector<NamedParameter> parameters = model->named_parameters();  // before they are replaced
  // A loss behind ten layers is more curved than one operation, so differences are less exact: errors up to 1e-7 were
  // seen where rules are right. A wrong rule is off by far more than 1e-6.
  GradcheckResult result = gradcheck(loss, model->parameters(),
                                     {.order = options.order, .tolerance = 1e-6, .seed = options.everywhere.seed});
  const auto input = static_cast<size_t>(result.worst.input);
  if (input < parameters.size()) result.message += " in " + parameters[input].name;
  return result;
}

/// Checks one row of the table. An operation that throws has failed, and its name is reported.
GradcheckResult check_op(const OpCase& op_case, const GradcheckCommand& options) {
  try {
    return gradcheck(op_case, options.order, options.everywhere.seed);
  } catch (const std::exception& error) {
    GradcheckResult failed;
    failed.ok = false;
    failed.worst.error = std::numeric_limits<double>::infinity();
    failed.message = fmt::format("throws: {}", error.what());
    return failed;
  }
}

int run(GradcheckCommand& options, Settings& settings) {
  const bool one_op = !options.op.empty(), one_model = settings.is_set("model");
  if (options.all + one_op + one_model != 1) throw UsageError("say what to check: --all, --op NAME or --model NAME");
  Report report(options);
  if (one_model) {
    report.add(options.model.model, check_model(options));
    return report.finish();
  }
  const std::vector<std::string> names = op_names();
  if (one_op && std::find(names.begin(), names.end(), options.op) == names.end())
    throw UsageError(
        fmt::format("--op: there is no operation \"{}\"; there are {}", options.op, fmt::join(names, ", ")));
  for (const OpCase& op_case : op_table())
    if (options.all || op_case.op == options.op) report.add(op_case.name(), check_op(op_case, options));
  return report.finish();
}

}  // namespace

void add_gradcheck(Program& program) {
  program.add<GradcheckCommand>(program.root(), "gradcheck",
                                "Proves gradients against differences, in double precision",
                                "kindling gradcheck --all --order 2\nkindling gradcheck --op conv2d\n"
                                "kindling gradcheck --model squeezenet_cifar --bypass complex",
                                declare, run);
}

}  // namespace kindling::cli
