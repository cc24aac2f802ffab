// Section 3.1 of the paper: what each strategy of SqueezeNet's design brings alone.
#include <fmt/format.h>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/tasks.h>

namespace kindling::cli {

// Each strategy is taken back alone, from SqueezeNet as it is. The pools of v1.0 are later than those of v1.1.
Plan plan_strategies(const Scale& scale) {
  using Json = nlohmann::ordered_json;
  struct Row {
    std::string name, run;
    Json options;
    std::string paper;
  };
  const std::vector<Row> rows{
      {"all three strategies", "all", {{"pools", {1, 4, 8}}}, "v1.0, of the paper"},
      {"without 1: 99 % of the expand filters are 3x3", "only-3x3", {{"pools", {1, 4, 8}}, {"pct3x3", 0.99}}, ""},
      {"without 2: squeeze layers as wide as the expand layers",
       "wide-inputs",
       {{"pools", {1, 4, 8}}, {"squeeze_ratio", 1}},
       ""},
      {"without 3: down-sampling early", "early", {{"pools", {1, 2, 3}}}, ""},
      {"strategy 3 by half", "pools-of-v1.1", {{"pools", {1, 3, 5}}}, "v1.1"}};
  Plan plan{.paper_headings = {"pools as in"}};
  RunPlan speed{.name = "speed", .alone = true};
  for (const Row& row : rows) {
    Json model{{"model", "squeezenet_cifar"}};
    if (!scale.full) model.update(Json{{"base_e", 64}, {"incr_e", 64}});
    model.update(row.options);
    const std::vector<RunPlan> runs = trainings(scale, row.run, model);
    plan.points.push_back({.name = row.name, .runs = names_of(runs), .task = "train", .paper = {row.paper}});
    plan.runs.insert(plan.runs.end(), runs.begin(), runs.end());
    for (const char* pass : {"train", "infer"}) {
      Words words = words_of({"bench", pass}, model);
      for (const char* word : {"--size", "32", "--batch-size", "64"}) words.emplace_back(word);
      speed.tasks.push_back({.name = fmt::format("{}-{}", row.run, pass), .words = words});
    }
  }
  plan.runs.push_back(speed);
  return plan;
}

std::vector<Claim> claims_of_strategies(const std::vector<PointResult>& points) {
  const PointResult &all = points[0], &only_3x3 = points[1], &wide = points[2], &early = points[3];
  const auto saves = [&](const std::string& text, const PointResult& without) {
    const double fewer = static_cast<double>(without.parameters) / static_cast<double>(all.parameters);
    const Mean change = gain(without, all);
    return Claim{text, both(fewer > 1 ? Verdict::holds : Verdict::does_not, falls_by_at_most(kSame, change)),
                 fmt::format("{:.1f} times fewer parameters, {} of top-1", fewer, points_text(change))};
  };
  const Mean late = gain(early, all);
  return {saves("1: 1x1 filters in the place of 3x3 save parameters and keep the accuracy.", only_3x3),
          saves("2: Narrow squeeze layers, which give 3x3 filters fewer inputs, save parameters and keep the accuracy.",
                wide),
          {"3: Late down-sampling gives more accuracy, with the same parameters.", rises(late),
           fmt::format("{} of top-1, for {:.1f} times the multiply-adds", points_text(late),
                       static_cast<double>(*all.macs) / static_cast<double>(*early.macs))}};
}

}  // namespace kindling::cli
