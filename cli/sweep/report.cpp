#include <kindling/cli/sweep/report.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <kindling/cli/output.h>
#include <kindling/cli/sweep/plot.h>
#include <kindling/cli/sweep/runner.h>
#include <kindling/cli/sweep/tasks.h>
#include <kindling/io/atomic_file.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

using Row = std::vector<std::string>;

std::string markdown_row(const Row& cells) { return fmt::format("| {} |\n", fmt::join(cells, " | ")); }

/// The first columns are text, the others numbers.
std::string markdown(const Row& headings, const std::vector<Row>& rows, size_t text_columns = 1) {
  std::string text = markdown_row(headings) + "|";
  for (size_t i = 0; i < headings.size(); ++i) text += i < text_columns ? "---|" : "---:|";
  text += "\n";
  for (const Row& row : rows) text += markdown_row(row);
  return text;
}

/// RFC 4180.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string csv(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    Row cells;
    for (const std::string& cell : row) cells.push_back(csv_cell(cell));
    text += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return text;
}

template <class T>
std::string text_or_nothing(const std::optional<T>& number) {
  return number ? fmt::format("{}", *number) : "";
}

Row mean_cells(const std::optional<Mean>& mean) {
  if (!mean) return {"", ""};
  return {fmt::format("{}", mean->value), text_or_nothing(mean->error)};
}

std::string points_csv(const Plan& plan, const std::vector<PointResult>& points) {
  Row headings{"point",
               "runs",
               "parameters",
               "parameters_1000_classes",
               "macs",
               "bytes",
               "ratio",
               "top1",
               "top1_standard_error",
               "top5",
               "top5_standard_error"};
  for (const std::string& heading : plan.paper_headings) headings.push_back(heading);
  std::vector<Row> rows{headings};
  for (const PointResult& point : points) {
    Row row{point.point->name,
            fmt::format("{}", fmt::join(point.point->runs, " ")),
            fmt::format("{}", point.parameters),
            text_or_nothing(point.of_imagenet),
            text_or_nothing(point.macs),
            fmt::format("{}", point.bytes.value),
            fmt::format("{}", point.ratio)};
    for (const Row& cells : {mean_cells(point.top1), mean_cells(point.top5), point.point->paper})
      row.insert(row.end(), cells.begin(), cells.end());
    rows.push_back(row);
  }
  return csv(rows);
}

/// What stands below the table.
std::string settings_of(const Plan& plan) {
  const Words& runs = plan.points.front().runs;
  std::vector<uint64_t> seeds;
  for (const RunPlan& run : plan.runs)
    if (std::find(runs.begin(), runs.end(), run.name) != runs.end()) seeds.push_back(run.seed);
  const std::string numbers =
      seeds.size() == 1 ? fmt::format("Seed {}.", seeds.front())
                        : fmt::format("Seeds {}; ± is the standard error of the mean.", fmt::join(seeds, ", "));
  return fmt::format("{} The first row is of\n\n```sh\n{}\n```\n", numbers,
                     command_line(plan.runs.front().tasks.front()));
}

std::string claims_md(const std::vector<Claim>& claims, bool one_seed) {
  std::vector<Row> rows;
  for (const Claim& claim : claims) rows.push_back({claim.text, word_of(claim.verdict), claim.evidence});
  return markdown({"claim", "here", "evidence"}, rows, /*text_columns=*/3) + "\n" +
         (one_seed ? about_one_seed("DIR")
                   : "± is the 90 % confidence interval of the difference (Student's t, paired by seed).") +
         "\n";
}

/// Every command of the first run of each point; the other seeds have the same.
std::string commands_md(const Plan& plan) {
  std::string text = "```sh\n";
  for (const RunPlan& run : plan.runs) {
    const bool is_first = std::any_of(plan.points.begin(), plan.points.end(),
                                      [&](const Point& point) { return point.runs.front() == run.name; });
    for (const Task& task : run.tasks)
      if (is_first || run.alone) text += command_line(task) + "\n";
  }
  return text + "```\n";
}

/// Of all tasks, in the order of the plan.
struct Done {
  const RunPlan& run;
  const Task& task;
  TaskResult result;
};

std::vector<Done> load_all(const std::string& folder, const Plan& plan) {
  std::vector<Done> all;
  for (const RunPlan& run : plan.runs)
    for (const Task& task : run.tasks) all.push_back({run, task, *load_result(result_path(folder, run, task))});
  return all;
}

std::string cell_of(const nlohmann::json& number) { return number.is_number() ? number.dump() : ""; }

std::string runs_csv(const std::vector<Done>& all) {
  std::vector<Row> rows{{"run", "task", "seed", "top1", "top5", "bytes", "parameters", "command"}};
  for (const auto& [run, task, done] : all) {
    if (run.alone) continue;
    const nlohmann::json& result = done.result;
    const Accuracy accuracy = accuracy_of(result);
    rows.push_back({run.name, task.name, fmt::format("{}", run.seed), cell_of(or_null(accuracy.top1)),
                    cell_of(or_null(accuracy.top5)), cell_of(result.value("bytes", nlohmann::json())),
                    cell_of(result.value("parameters", nlohmann::json())), done.command});
  }
  return csv(rows);
}

/// Seconds in which at least one task ran.
double wall_seconds(const std::vector<Done>& all) {
  std::vector<std::pair<double, double>> spans;
  for (const Done& done : all) spans.emplace_back(done.result.began, done.result.ended);
  std::sort(spans.begin(), spans.end());
  double total = 0, until = 0;
  for (const auto& [began, ended] : spans) {
    total += std::max(0.0, ended - std::max(began, until));
    until = std::max(until, ended);
  }
  return total;
}

std::string times_csv(const std::vector<Done>& all) {
  std::vector<Row> rows{{"run", "task", "threads", "seconds", "processor_seconds", "peak_mb"}};
  for (const auto& [run, task, done] : all)
    rows.push_back({run.name, task.name, fmt::format("{}", done.threads),
                    fmt::format("{:.1f}", done.ended - done.began), fmt::format("{:.1f}", done.cpu_seconds),
                    fmt::format("{:.0f}", done.peak_rss_mb)});
  return csv(rows);
}

/// "23 minutes", "41 seconds".
std::string rounded_time(double seconds) {
  constexpr double kMany = 120;
  return seconds < kMany ? fmt::format("{:.0f} seconds", seconds) : fmt::format("{:.0f} minutes", seconds / 60);
}

/// `machine`: as in config.json.
std::string times_md(const std::vector<Done>& all, const nlohmann::json& machine) {
  double processor = 0, peak = 0;
  for (const Done& done : all) {
    processor += done.result.cpu_seconds;
    peak = std::max(peak, done.result.peak_rss_mb);
  }
  return fmt::format(
      "{} commands took {}, and {} of processor time,\non {} ({}) with {} threads. The most memory that one of them "
      "had "
      "is\n{:.0f} MB. Time of interrupted commands is not included.\n",
      all.size(), rounded_time(wall_seconds(all)), rounded_time(processor), machine["cpu"].get<std::string>(),
      machine["isa"].get<std::string>(), machine["threads"].get<int>(), peak);
}

/// Of experiments with a run "speed": pictures in a second, by the names of its tasks.
std::string speed_md(const std::vector<Done>& all, const std::vector<PointResult>& points) {
  const auto speed_of = [&](const std::string& task) -> std::optional<double> {
    for (const Done& done : all)
      if (done.run.alone && done.task.name == task) return done.result.result["images_per_second"].get<double>();
    return std::nullopt;
  };
  std::vector<Row> rows;
  for (const PointResult& point : points) {
    const std::string& run = point.point->runs.front();
    const std::string name = run.substr(0, run.rfind('-'));
    const std::optional<double> train = speed_of(name + "-train"), infer = speed_of(name + "-infer");
    if (train && infer)
      rows.push_back({point.point->name, fmt::format("{:.0f}", *train), fmt::format("{:.0f}", *infer)});
  }
  return rows.empty() ? "" : markdown({"network", "training, pictures/s", "inference, pictures/s"}, rows);
}

}  // namespace

std::string about_one_seed(const std::string& folder) {
  return fmt::format("One seed says nothing about chance: `kindling sweep --resume {} --seeds 3` adds two.", folder);
}

bool has_one_seed(const std::vector<PointResult>& points) { return points.front().point->runs.size() == 1; }

const char* word_of(Verdict verdict) {
  constexpr const char* kWords[] = {"holds", "holds in part", "does not hold", "not clear"};
  return kWords[static_cast<int>(verdict)];
}

Row headings_of(const Experiment& experiment, const Plan& plan) {
  const Look& look = experiment.look;
  Row headings{"network", "parameters"};
  if (look.macs) headings.emplace_back("MACs");
  headings.emplace_back("bytes");
  if (look.ratio) headings.emplace_back("ratio");
  headings.emplace_back("top-1");
  headings.emplace_back("top-5");
  if (look.of_imagenet) {
    headings.emplace_back("1000 classes: parameters");
    headings.emplace_back("MiB");
  }
  headings.insert(headings.end(), plan.paper_headings.begin(), plan.paper_headings.end());
  return headings;
}

std::vector<Row> rows_of(const Experiment& experiment, const std::vector<PointResult>& points) {
  constexpr double kBytesOfFloat = 4, kMebi = 1 << 20;
  const Look& look = experiment.look;
  const auto accuracy = [](const std::optional<Mean>& mean) { return mean ? percent_text(*mean) : "-"; };
  std::vector<Row> rows;
  for (const PointResult& point : points) {
    Row row{point.point->name, with_commas(point.parameters)};
    if (look.macs) row.push_back(point.macs ? with_unit(static_cast<double>(*point.macs), "") : "-");
    row.push_back(with_commas(static_cast<int64_t>(point.bytes.value + 0.5)));
    if (look.ratio) row.push_back(fmt::format("{:.1f}", point.ratio));
    row.push_back(accuracy(point.top1));
    row.push_back(accuracy(point.top5));
    if (look.of_imagenet) {
      const double parameters = static_cast<double>(point.of_imagenet.value_or(0));
      row.push_back(with_commas(point.of_imagenet.value_or(0)));
      row.push_back(fmt::format("{:.2f}", parameters * kBytesOfFloat / kMebi));
    }
    for (const std::string& text : point.point->paper) row.push_back(text.empty() ? "-" : text);
    rows.push_back(row);
  }
  return rows;
}

void write_report(const std::string& folder, const Experiment& experiment, const Plan& plan,
                  const std::vector<PointResult>& points) {
  const std::vector<Done> all = load_all(folder, plan);
  const auto write = [&](const char* name, const std::string& text) { write_file(folder + "/" + name, text); };
  write("table.md", markdown(headings_of(experiment, plan), rows_of(experiment, points)) + "\n" + settings_of(plan));
  write("points.csv", points_csv(plan, points));
  write("claims.md", claims_md(experiment.claims(points), has_one_seed(points)));
  write("commands.md", commands_md(plan));
  write("runs.csv", runs_csv(all));
  write("times.md", times_md(all, nlohmann::json::parse(read_file(RunFolder::config_path(folder)))["machine"]));
  write("times.csv", times_csv(all));
  if (const std::string speed = speed_md(all, points); !speed.empty()) write("speed.md", speed);
  draw_plot(folder, experiment, points);
}

}  // namespace kindling::cli
