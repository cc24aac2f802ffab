#include <kindling/cli/sweep/experiments.h>

#include <algorithm>

namespace kindling::cli {

Verdict rises(const Mean& gain) {
  if (!gain.error) return Verdict::not_clear;
  return gain.low() > 0 ? Verdict::holds : gain.high() < 0 ? Verdict::does_not : Verdict::not_clear;
}

Verdict falls_by_at_most(double points, const Mean& gain) {
  if (!gain.error) return Verdict::not_clear;
  return gain.low() >= -points ? Verdict::holds : gain.high() < -points ? Verdict::does_not : Verdict::not_clear;
}

Verdict stays(const Mean& gain) {
  if (!gain.error) return Verdict::not_clear;
  if (gain.low() >= -kSame && gain.high() <= kSame) return Verdict::holds;
  return gain.high() < -kSame || gain.low() > kSame ? Verdict::does_not : Verdict::not_clear;
}

Verdict both(Verdict a, Verdict b) {
  using enum Verdict;
  if (a == b) return a;
  if (a == does_not || b == does_not) return a == holds || b == holds ? in_part : does_not;
  return not_clear;  // one of them
}

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> all{
      {"table2",
       "Table 2: SqueezeNet beside AlexNet, and both made small",
       {.ratio = true, .log_bytes = true, .by_group = true},
       plan_table2,
       claims_of_table2},
      {"table3", "Table 3: bypasses", {.macs = true, .of_imagenet = true}, plan_table3, claims_of_table3},
      {"figure3a",
       "Figure 3 (a): the squeeze ratio",
       {.of_imagenet = true, .line = true},
       plan_figure3a,
       claims_of_figure3a},
      {"figure3b",
       "Figure 3 (b): the share of 3x3 filters",
       {.of_imagenet = true, .line = true},
       plan_figure3b,
       claims_of_figure3b},
      {"strategies",
       "Section 3.1: the three strategies",
       {.macs = true, .by_macs = true},
       plan_strategies,
       claims_of_strategies},
  };
  return all;
}

const Experiment& find_experiment(const std::string& name) {
  return *std::find_if(experiments().begin(), experiments().end(), [&](const Experiment& e) { return e.name == name; });
}

}  // namespace kindling::cli
