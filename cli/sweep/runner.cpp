#include <kindling/cli/sweep/runner.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/sweep/results.h>
#include <kindling/io/atomic_file.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// The last line with anything in it.
std::string last_line(const std::string& path) {
  std::string text = read_file(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const size_t begin = text.rfind('\n');
  return begin == std::string::npos ? text : text.substr(begin + 1);
}

/// What the command `word` of kindling said last, without the progress before it.
std::string last_words(const std::string& log, const std::string& word) {
  constexpr size_t kMost = 400;
  const std::string text = read_file(log);
  const size_t error = text.rfind(fmt::format("kindling {}: ", word));
  const std::string words = error == std::string::npos ? last_line(log) : text.substr(error);
  std::string indented = "  ";
  for (const char c : words.substr(0, words.find_last_not_of('\n') + 1).substr(0, kMost))
    indented += c == '\n' ? "\n  " : std::string(1, c);
  return indented;
}

/// Remembers by which command a run begins. Throws Error if it goes on and began by another.
void check_begun(const std::string& path, const std::string& command, bool goes_on) {
  if (!goes_on) return write_file(path, command + "\n");
  const std::string begun = fs::exists(path) ? read_file(path) : "one that is not known\n";
  if (begun != command + "\n")
    throw Error(
        fmt::format("{}: this training began by another command:\n  {}  now it would be\n  {}\n  Begin anew in "
                    "another folder.",
                    path, begun, command));
}

/// Of the epochs of a training, those that its last line of metrics tells.
int64_t epochs_told(const std::string& metrics) {
  if (!fs::exists(metrics)) return 0;
  const nlohmann::json line = nlohmann::json::parse(last_line(metrics), nullptr, /*allow_exceptions=*/false);
  if (!line.is_object() || !line.contains("epoch")) return 0;
  return line["epoch"].get<int64_t>() - (line.contains("val_loss") ? 0 : 1);
}

std::string accuracy_text(const nlohmann::json& result) {
  const std::optional<double> top1 = accuracy_of(result).top1;
  return top1 ? fmt::format(": top-1 {}", percent(top1)) : "";
}

}  // namespace

/// A task that is running.
struct Runner::Job {
  const Task& task;
  int threads;
  double began;
  Child child;
};

std::string command_line(const Task& task) {
  std::string line = "kindling";
  for (const std::string& word : task.words) line += " " + shell_word(word);
  return line;
}

Runner::Runner(const Plan& plan, const RunnerOptions& options, const std::atomic<bool>* stop)
    : plan_(plan), options_(options), stop_(stop), status_(options.quiet) {
  for (const RunPlan& run : plan.runs) {
    Progress progress{.run = &run};
    for (const Task& task : run.tasks) {
      all_work_ += task.work;
      const std::optional<TaskResult> result = load_result(result_path(options.folder, run, task));
      if (!result || progress.next < static_cast<size_t>(&task - run.tasks.data())) continue;
      if (result->command != command_line(task))
        throw Error(
            fmt::format("{}: is the result of another command:\n  {}\n  now it would be\n  {}\n  Begin anew in "
                        "another folder.",
                        result_path(options.folder, run, task), result->command, command_line(task)));
      ++progress.next;
    }
    runs_.push_back(std::move(progress));
  }
}

Runner::~Runner() = default;

std::string Runner::path_of(const RunPlan& run, const std::string& file) const {
  return fmt::format("{}/{}/{}", options_.folder, run.name, file);
}

int64_t Runner::unfinished() const {
  return std::count_if(runs_.begin(), runs_.end(), [](const Progress& p) { return p.unfinished(); });
}

int64_t Runner::running() const {
  return std::count_if(runs_.begin(), runs_.end(), [](const Progress& p) { return p.job != nullptr; });
}

bool Runner::may_start(const Progress& progress) const {
  if (progress.job || !progress.unfinished()) return false;
  return running() < (progress.run->alone ? 1 : options_.jobs) && (!progress.run->alone || unfinished() == 1);
}

void Runner::start(Progress& progress) {
  const RunPlan& run = *progress.run;
  const Task& task = run.tasks[progress.next];
  fs::create_directories(path_of(run, ""));
  const auto side_by_side = static_cast<int>(std::min(options_.jobs, unfinished()));
  const int threads = std::max(1, options_.threads / side_by_side);
  Words words = task.words;
  const bool goes_on = task.words.front() == "train" && RunFolder::holds_run(path_of(run, ""));
  if (task.words.front() == "train") check_begun(path_of(run, task.name + ".command"), command_line(task), goes_on);
  if (goes_on) words = {"train", "--resume", run.name};
  for (const auto& [word, place] : options_.places) std::replace(words.begin(), words.end(), word, place);
  for (const std::string& word : {std::string("--json"), std::string("--threads"), std::to_string(threads)})
    words.push_back(word);
  progress.job.reset(new Job{.task = task,
                             .threads = threads,
                             .began = now(),
                             .child = {words,
                                       {.folder = options_.folder,
                                        .out = path_of(run, task.name + ".out"),
                                        .log = path_of(run, task.name + ".log"),
                                        .shared = options_.lock}}});
}

bool Runner::reap(Progress& progress) {
  const std::optional<ChildEnd> end = progress.job->child.poll();
  if (!end) return false;
  const RunPlan& run = *progress.run;
  const std::shared_ptr<Job> job = std::move(progress.job);
  const Task& task = job->task;
  if (end->code != 0) {
    if (!stop_->load()) fail(progress, task, end->code);
    return true;
  }
  const std::string out = path_of(run, task.name + ".out");
  const TaskResult result{.command = command_line(task),
                          .result = nlohmann::json::parse(read_file(out)),
                          .threads = job->threads,
                          .began = job->began,
                          .ended = now(),
                          .cpu_seconds = end->cpu_seconds,
                          .peak_rss_mb = end->peak_rss_mb};
  save(result, result_path(options_.folder, run, task));
  fs::remove(out);
  ++progress.next;
  if (const std::string accuracy = accuracy_text(result.result); !accuracy.empty())
    status_.print(fmt::format("{} {}{}, {}{}", run.name, task.name, accuracy, duration(result.ended - result.began),
                              time_left(work_done())));
  return true;
}

void Runner::fail(Progress& progress, const Task& task, int exit_code) {
  const std::string log = path_of(*progress.run, task.name + ".log");
  const std::string failure =
      fmt::format("{}: {}\n  ended with exit code {}:\n{}\n  {} has everything that it said", progress.run->name,
                  command_line(task), exit_code, last_words(log, task.words.front()), log);
  if (work_done() == 0) throw Error(failure);
  progress.failed = true;
  for (size_t i = progress.next; i < progress.run->tasks.size(); ++i) all_work_ -= progress.run->tasks[i].work;
  failures_.push_back(failure);
  status_.print(fmt::format("{} {} has failed; the other runs go on", progress.run->name, task.name));
}

void Runner::stop_all() {
  constexpr double kPatience = 60;  // seconds for a checkpoint; what takes longer is killed, and begins anew
  for (Progress& progress : runs_)
    if (progress.job) progress.job->child.interrupt();
  const double until = now() + kPatience;
  for (Progress& progress : runs_) {
    while (progress.job && !progress.job->child.poll() && now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    progress.job.reset();
  }
}

double Runner::work_done() const {
  double done = 0;
  for (const Progress& progress : runs_) {
    for (size_t i = 0; i < progress.next; ++i) done += progress.run->tasks[i].work;
    if (!progress.unfinished() || progress.run->tasks[progress.next].epochs == 0) continue;
    const Task& task = progress.run->tasks[progress.next];
    done += task.work * static_cast<double>(epochs_told(path_of(*progress.run, "metrics.jsonl"))) /
            static_cast<double>(task.epochs);
  }
  return done;
}

std::string Runner::time_left(double done) const {
  const double gained = done - work_before_;
  if (gained <= 0 || done >= all_work_) return "";
  return fmt::format("; {} left", duration((now() - began_) * (all_work_ - done) / gained));
}

void Runner::show() {
  std::vector<std::string> names;
  for (const Progress& progress : runs_)
    if (progress.job) names.push_back(progress.run->name + " " + progress.job->task.name);
  const double done = work_done();
  status_.show(fmt::format("{} of {} runs", std::ssize(runs_) - unfinished(), runs_.size()),
               all_work_ > 0 ? done / all_work_ : 1, fmt::format("{}{}", fmt::join(names, ", "), time_left(done)));
}

bool Runner::run() {
  constexpr auto kWait = std::chrono::milliseconds(50);
  began_ = now();
  work_before_ = work_done();
  try {
    while (unfinished() > 0) {
      if (stop_->load()) {
        stop_all();
        for (const std::string& failure : failures_) status_.print(failure);
        return false;
      }
      bool changed = false;
      for (Progress& progress : runs_) {
        if (progress.job) changed = reap(progress) || changed;
        if (may_start(progress) && !stop_->load()) {
          start(progress);
          changed = true;
        }
      }
      if (status_.on_terminal()) show();
      if (!changed) std::this_thread::sleep_for(kWait);
    }
  } catch (...) {
    stop_all();
    throw;
  }
  status_.clear();
  if (!failures_.empty())
    throw Error(fmt::format("{}\n  the other runs are done; kindling sweep --resume {} tries again what has failed",
                            fmt::join(failures_, "\n  "), shell_word(options_.folder)));
  return true;
}

}  // namespace kindling::cli
