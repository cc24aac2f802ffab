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
};
Mean mean_of(const std::vector<double>& values);
/// a - b, with the error of the difference.
Mean difference(const Mean& a, const Mean& b);

/// "71.84 ± 0.55 %"
std::string percent_text(const Mean& mean);
/// "+0.66 ± 0.70 points", where ± has two standard errors.
std::string points_text(const Mean& difference);
/// Whether it is above 0 by more than two standard errors.
bool is_clear(const Mean& difference);
/// Two standard errors; 0 of one seed.
double two_errors(const Mean& mean);

/// A row in numbers.
struct PointResult {
  const Point* point = nullptr;
  int64_t parameters = 0;                    ///< that are not pruned; of the first seed
  std::optional<int64_t> macs = {};          ///< of one picture
  std::optional<int64_t> of_imagenet = {};   ///< parameters of such a network of v1.0's form and 1000 classes
  double ratio = 1;                          ///< how often the file fits into another point's
  Mean bytes = {};                           ///< of the file
  std::optional<Mean> top1 = {}, top5 = {};  ///< per cent; nothing if it is not measured

  double mebibytes() const { return bytes.value / (1 << 20); }
};
/// All tasks of the plan are done. Throws Error for a trained network whose accuracy is not known.
std::vector<PointResult> collect(const std::string& folder, const Plan& plan);

}  // namespace kindling::cli
