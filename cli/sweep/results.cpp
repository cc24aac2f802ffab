#include <kindling/cli/sweep/results.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include <kindling/io/atomic_file.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::json;

/// The results of a run's tasks.
class RunResults {
 public:
  RunResults(std::string folder, const Plan& plan, const std::string& run) : folder_(std::move(folder)) {
    run_ = &*std::find_if(plan.runs.begin(), plan.runs.end(), [&](const RunPlan& r) { return r.name == run; });
  }

  const Task* find(const std::string& name) const {
    const auto task =
        std::find_if(run_->tasks.begin(), run_->tasks.end(), [&](const Task& t) { return t.name == name; });
    return task == run_->tasks.end() ? nullptr : &*task;
  }
  Json of(const std::string& name) const { return load_result(result_path(folder_, *run_, *find(name)))->result; }

 private:
  std::string folder_;
  const RunPlan* run_;
};

/// Nothing where it is null.
std::optional<double> number(const Json& document, const char* key) {
  const auto found = document.find(key);
  return found != document.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

bool is_compression(const Json& result) { return result.contains("steps") && result["steps"].is_array(); }

/// Parameters that are not 0; the running statistics of batch normalisation are none.
int64_t kept_in(const Json& compressed) {
  int64_t kept = 0;
  for (const Json& tensor : compressed["tensors"]) {
    const auto name = tensor["name"].get<std::string>();
    if (!name.ends_with("/running_mean") && !name.ends_with("/running_var")) kept += tensor["nonzero"].get<int64_t>();
  }
  return kept;
}

PointResult collect(const std::string& folder, const Plan& plan, const Point& point) {
  PointResult result{.point = &point};
  std::vector<double> top1, top5, bytes;
  for (const std::string& name : point.runs) {
    const RunResults run(folder, plan, name);
    const Json measured = run.of(point.task);
    const Accuracy accuracy = accuracy_of(measured);
    if (accuracy.top1) top1.push_back(*accuracy.top1);
    if (accuracy.top5) top5.push_back(*accuracy.top5);
    const Json size = measured.contains("bytes") ? measured : run.of("file");
    bytes.push_back(size["bytes"].get<double>());
    if (name != point.runs.front()) continue;
    result.parameters = is_compression(measured) ? kept_in(measured) : size["parameters"].get<int64_t>();
    if (run.find("info")) result.macs = run.of("info")["macs"].get<int64_t>();
    if (run.find("imagenet")) result.of_imagenet = run.of("imagenet")["parameters"].get<int64_t>();
  }
  result.bytes = mean_of(bytes);
  if (!top1.empty()) result.top1 = mean_of(top1);
  result.top1_of_seeds = top1;
  if (!top5.empty()) result.top5 = mean_of(top5);
  return result;
}

/// The value that Student's t with so many degrees of freedom exceeds with a probability of 5 %.
double student_95(size_t freedom) {
  constexpr double kTable[] = {0, 6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833};
  constexpr double kNormal = 1.645, kCorrection = 1.6;  // the first two terms of its expansion
  return freedom < std::size(kTable) ? kTable[freedom] : kNormal + kCorrection / static_cast<double>(freedom);
}

}  // namespace

Accuracy accuracy_of(const Json& result) {
  if (is_compression(result)) {
    const Json& last = result["steps"].back();
    return {number(last, "top1"), number(last, "top5")};
  }
  const bool has_test = number(result, "test_top1").has_value();
  return {number(result, has_test ? "test_top1" : "val_top1"), number(result, has_test ? "test_top5" : "val_top5")};
}

std::string result_path(const std::string& folder, const RunPlan& run, const Task& task) {
  return fmt::format("{}/{}/{}.json", folder, run.name, task.name);
}

void save(const TaskResult& result, const std::string& path) {
  const nlohmann::ordered_json document{
      {"command", result.command}, {"threads", result.threads},         {"began", result.began},
      {"ended", result.ended},     {"cpu_seconds", result.cpu_seconds}, {"peak_rss_mb", result.peak_rss_mb},
      {"result", result.result}};
  write_file(path, document.dump(2) + "\n");
}

std::optional<TaskResult> load_result(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const Json document = Json::parse(read_file(path));
    return TaskResult{.command = document.at("command"),
                      .result = document.at("result"),
                      .threads = document.at("threads"),
                      .began = document.at("began"),
                      .ended = document.at("ended"),
                      .cpu_seconds = document.at("cpu_seconds"),
                      .peak_rss_mb = document.at("peak_rss_mb")};
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("{}: is damaged ({}); remove it, and that part is done again", path, error.what()));
  }
}

Mean mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  Mean mean{.value = std::accumulate(values.begin(), values.end(), 0.0) / count};
  if (values.size() < 2) return mean;
  double squares = 0;
  for (const double value : values) squares += (value - mean.value) * (value - mean.value);
  mean.error = std::sqrt(squares / (count - 1) / count);
  mean.margin = student_95(values.size() - 1) * *mean.error;
  return mean;
}

Mean gain(const PointResult& from, const PointResult& to) {
  std::vector<double> gains;
  for (size_t i = 0; i < to.top1_of_seeds.size(); ++i) gains.push_back(to.top1_of_seeds[i] - from.top1_of_seeds.at(i));
  return mean_of(gains);
}

std::string percent_text(const Mean& mean) {
  return mean.error ? fmt::format("{:.2f} ± {:.2f} %", mean.value, *mean.error) : fmt::format("{:.2f} %", mean.value);
}

std::string points_text(const Mean& difference) {
  return difference.error ? fmt::format("{:+.2f} ± {:.2f} points", difference.value, difference.margin)
                          : fmt::format("{:+.2f} points", difference.value);
}

std::vector<PointResult> collect(const std::string& folder, const Plan& plan) {
  std::vector<PointResult> results;
  for (const Point& point : plan.points) results.push_back(collect(folder, plan, point));
  for (PointResult& result : results) {
    if (!result.top1 && result.point->ratio_to.empty())
      throw Error(fmt::format("\"{}\": there are no pictures to measure on in this data", result.point->name));
    const auto is_base = [&](const PointResult& other) { return other.point->name == result.point->ratio_to; };
    const auto base = std::find_if(results.begin(), results.end(), is_base);
    result.ratio = (base == results.end() ? results.front() : *base).bytes.value / result.bytes.value;
  }
  return results;
}

}  // namespace kindling::cli
