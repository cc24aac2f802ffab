// The paper's experiments (Iandola et al., arXiv:1602.07360), as commands of kindling.
#pragma once

#include <string>
#include <vector>

#include <kindling/cli/sweep/plan.h>
#include <kindling/cli/sweep/results.h>

namespace kindling::cli {

enum class Verdict : uint8_t { holds, in_part, does_not, not_clear };

/// What the paper says, and what has come out here.
struct Claim {
  std::string text;
  Verdict verdict;
  std::string evidence;
};

/// Points of top-1 that count as nothing where a claim says "the same".
inline constexpr double kSame = 1;
/// "It rises": whether all of the gain's interval is above 0, or all of it below.
Verdict rises(const Mean& gain);
/// "It falls by no more than so many points": likewise.
Verdict falls_by_at_most(double points, const Mean& gain);
/// "It stays": whether all of the interval is within kSame points, or all of it outside.
Verdict stays(const Mean& gain);
/// Of a claim with two halves, neither of them in part: in part if one holds and one does not.
Verdict both(Verdict a, Verdict b);

/// How the results are shown.
struct Look {
  bool macs = false;   ///< columns of the table
  bool ratio = false;  ///< to the first point's bytes
  bool of_imagenet = false;
  bool line = false;       ///< the points of the plot are joined
  bool log_bytes = false;  ///< axis of the plot
  bool by_macs = false;    ///< the axis has multiply-adds
  bool by_group = false;   ///< a colour for each text before the first comma of a name
};

struct Experiment {
  std::string name, title;
  Look look;
  Plan (*plan)(const Scale& scale);
  std::vector<Claim> (*claims)(const std::vector<PointResult>& points);
};

/// table2, table3, figure3a, figure3b, strategies.
const std::vector<Experiment>& experiments();
/// `name` is that of one of them.
const Experiment& find_experiment(const std::string& name);

/// AlexNet, factored, pruned, pruned and shared; SqueezeNet at 32, 8 and 6 bits, and rounded by
/// rate and distortion. Beside them both networks retrained as often, but not compressed.
Plan plan_table2(const Scale& scale);
std::vector<Claim> claims_of_table2(const std::vector<PointResult>& points);
/// No bypass, simple, complex.
Plan plan_table3(const Scale& scale);
std::vector<Claim> claims_of_table3(const std::vector<PointResult>& points);
/// (a) the squeeze ratio, (b) the share of 3x3 filters.
Plan plan_figure3a(const Scale& scale);
std::vector<Claim> claims_of_figure3a(const std::vector<PointResult>& points);
Plan plan_figure3b(const Scale& scale);
std::vector<Claim> claims_of_figure3b(const std::vector<PointResult>& points);
/// Section 3.1, one strategy at a time.
Plan plan_strategies(const Scale& scale);
std::vector<Claim> claims_of_strategies(const std::vector<PointResult>& points);

}  // namespace kindling::cli
