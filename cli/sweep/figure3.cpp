// Figure 3 of the paper: accuracy against size, (a) by the squeeze ratio, (b) by the share of 3x3 filters.
#include <cmath>

#include <fmt/format.h>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/tasks.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

/// One point of a curve: a value of `option`, and the label of the paper.
struct Row {
  double value;
  std::string label;
  std::vector<std::string> paper;
};

/// The trained networks are narrower than the paper's unless the scale is full. Beside each stands
/// the number of parameters that the paper's has.
Plan plan_curve(const Scale& scale, const std::string& option, const Json& fixed, const std::vector<Row>& rows) {
  const int64_t width = scale.full ? 128 : 64, width_of_paper = 128;
  Plan plan{.paper_headings = {"paper: size", "paper: top-5"}};
  for (const Row& row : rows) {
    const auto with_width = [&](const char* model, int64_t base) {
      Json options{{"model", model}, {"base_e", base}, {"incr_e", base}};
      options.update(fixed);
      options[option] = row.value;
      return options;
    };
    std::vector<RunPlan> runs =
        trainings(scale, fmt::format("{}-{}", option == "squeeze_ratio" ? "sr" : "pct3x3", row.value),
                  with_width("squeezenet_cifar", width));
    runs.front().tasks.push_back(
        {.name = "imagenet", .words = words_of({"info"}, with_width("squeezenet1_0", width_of_paper))});
    plan.points.push_back({.name = row.label, .runs = names_of(runs), .task = "train", .paper = row.paper});
    plan.runs.insert(plan.runs.end(), runs.begin(), runs.end());
  }
  return plan;
}

const PointResult& point_called(const std::vector<PointResult>& points, const std::string& name) {
  for (const PointResult& point : points)
    if (point.point->name == name) return point;
  throw Error("there is no point " + name);
}

/// "Accuracy rises from A to B", and "from B on it stays": in part if it goes on, but gains less
/// than half as much.
std::vector<Claim> rise_and_plateau(const std::vector<PointResult>& points, const std::string& what,
                                    const std::string& from, const std::string& to) {
  const PointResult &first = point_called(points, from), &knee = point_called(points, to), &last = points.back();
  const Mean rise = gain(first, knee), rest = gain(knee, last);
  Verdict flat = stays(rest);
  if (flat == Verdict::does_not && std::abs(rest.value) < std::abs(rise.value) / 2) flat = Verdict::in_part;
  return {{fmt::format("Accuracy rises with the {} from {} to {}.", what, from, to), rises(rise),
           fmt::format("{} of top-1, for {:.1f} times the parameters", points_text(rise),
                       static_cast<double>(knee.parameters) / static_cast<double>(first.parameters))},
          {fmt::format("From {} to {} it stays.", to, last.point->name), flat, points_text(rest) + " of top-1"}};
}

}  // namespace

Plan plan_figure3a(const Scale& scale) {
  return plan_curve(scale, "squeeze_ratio", {{"pct3x3", 0.5}},
                    {{0.125, "0.125", {"4.8 MB", "80.3 %"}},
                     {0.25, "0.25", {"7.6 MB", ""}},
                     {0.5, "0.5", {"13 MB", "85.3 %"}},
                     {0.75, "0.75", {"19 MB", "86.0 %"}},
                     {1.0, "1", {"24 MB", "86.0 %"}}});
}

std::vector<Claim> claims_of_figure3a(const std::vector<PointResult>& points) {
  return rise_and_plateau(points, "squeeze ratio", "0.125", "0.75");
}

Plan plan_figure3b(const Scale& scale) {
  return plan_curve(scale, "pct3x3", {{"squeeze_ratio", 0.5}},
                    {{0.01, "1 %", {"5.7 MB", "76.3 %"}},
                     {0.125, "12.5 %", {"7.4 MB", ""}},
                     {0.25, "25 %", {"9.3 MB", ""}},
                     {0.375, "37.5 %", {"11 MB", ""}},
                     {0.5, "50 %", {"13 MB", "85.3 %"}},
                     {0.625, "62.5 %", {"15 MB", ""}},
                     {0.75, "75 %", {"17 MB", ""}},
                     {0.875, "87.5 %", {"19 MB", ""}},
                     {0.99, "99 %", {"21 MB", "85.3 %"}}});
}

std::vector<Claim> claims_of_figure3b(const std::vector<PointResult>& points) {
  return rise_and_plateau(points, "share of 3x3 filters", "1 %", "50 %");
}

}  // namespace kindling::cli
