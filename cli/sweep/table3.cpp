// Table 3 of the paper: what bypasses bring.
#include <fmt/format.h>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/tasks.h>

namespace kindling::cli {

Plan plan_table3(const Scale& scale) {
  struct Row {
    const char *name, *bypass;
    std::vector<std::string> paper;
  };
  const std::vector<Row> rows{{"vanilla", "none", {"57.5 / 80.3 %", "4.8 MB"}},
                              {"simple bypass", "simple", {"60.4 / 82.5 %", "4.8 MB"}},
                              {"complex bypass", "complex", {"58.8 / 82.0 %", "7.7 MB"}}};
  Plan plan{.paper_headings = {"paper: top-1 / top-5", "paper: size"}};
  for (const Row& row : rows) {
    std::vector<RunPlan> runs = trainings(scale, row.bypass, {{"model", "squeezenet_cifar"}, {"bypass", row.bypass}});
    runs.front().tasks.push_back(
        {.name = "imagenet", .words = {"info", "--model", "squeezenet1_0", "--bypass", row.bypass}});
    plan.points.push_back({.name = row.name, .runs = names_of(runs), .task = "train", .paper = row.paper});
    plan.runs.insert(plan.runs.end(), runs.begin(), runs.end());
  }
  return plan;
}

std::vector<Claim> claims_of_table3(const std::vector<PointResult>& points) {
  const PointResult &vanilla = points[0], &simple = points[1], &complex = points[2];
  const auto better = [](const std::string& text, const PointResult& to, const PointResult& from) {
    return Claim{text, rises(gain(from, to)), points_text(gain(from, to)) + " of top-1"};
  };
  Claim free = better("The simple bypass adds accuracy without adding a parameter.", simple, vanilla);
  if (simple.parameters != vanilla.parameters) free.verdict = Verdict::does_not;
  return {free, better("The complex bypass adds accuracy too.", complex, vanilla),
          better("The simple bypass adds more than the complex one.", simple, complex)};
}

}  // namespace kindling::cli
