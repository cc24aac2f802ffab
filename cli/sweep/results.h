// Results of tasks, on disk and in numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/cli/sweep/plan.h>

namespace kindling::cli {

/// What a finished task has left: RUN/TASK.json.
struct TaskResult {
  std::string command;    ///< as somebody would type it in the folder of the sweep
  nlohmann::json result;  ///< what it printed
  int threads = 0;
  double began = 0, ended = 0;  ///< seconds since 1970
  double cpu_seconds = 0, peak_rss_mb = 0;
};

std::string result_path(const std::string& folder, const RunPlan& run, const Task& task);
void save(const TaskResult& result, const std::string& path);
/// Nothing if there is no such file. Throws FileError if it is damaged.
std::optional<TaskResult> load_result(const std::string& path);

/// Per cent; nothing where the data have no such part.
struct Accuracy {
  std::optional<double> top1 = {}, top5 = {};
};
/// What a command has measured: a training on test/, or else on what is held out; a compression on
/// the file read back.
Accuracy accuracy_of(const nlohmann::json& result);

/// Mean over the seeds, and its standard error (of two or more seeds).
struct Mean {
  double value = 0;
  std::optional<double> error = {};
  double margin = 0;  ///< the 90 % interval is value ± margin, by Student's t; 0 of one seed

  double low() const { return value - margin; }
  double high() const { return value + margin; }
};
Mean mean_of(const std::vector<double>& values);

/// "71.84 ± 0.55 %", where ± has one standard error.
std::string percent_text(const Mean& mean);
/// "+0.66 ± 0.70 points", where ± has the margin.
std::string points_text(const Mean& difference);

/// A row in numbers.
struct PointResult {
  const Point* point = nullptr;
  int64_t parameters = 0;                    ///< that are not pruned; of the first seed
  std::optional<int64_t> macs = {};          ///< of one picture
  std::optional<int64_t> of_imagenet = {};   ///< parameters of such a network of v1.0's form and 1000 classes
  double ratio = 1;                          ///< how often the file fits into another point's
  Mean bytes = {};                           ///< of the file
  std::optional<Mean> top1 = {}, top5 = {};  ///< per cent; nothing if it is not measured
  std::vector<double> top1_of_seeds = {};

  double mebibytes() const { return bytes.value / (1 << 20); }
};
/// By how much top-1 is better than `from`'s, in points: the mean of the differences of runs with
/// the same seed.
Mean gain(const PointResult& from, const PointResult& to);
/// All tasks of the plan are done. Throws Error for a trained network whose accuracy is not known.
std::vector<PointResult> collect(const std::string& folder, const Plan& plan);

}  // namespace kindling::cli
