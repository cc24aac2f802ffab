// Runs the commands of a plan, several side by side.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/sweep/child.h>
#include <kindling/cli/sweep/plan.h>
#include <kindling/train/terminal.h>

namespace kindling::cli {

struct RunnerOptions {
  std::string folder;  ///< of the sweep; each run has a folder in it
  /// Words of the plan and what stands in their place here: paths made absolute.
  std::vector<std::pair<std::string, std::string>> places;
  int64_t jobs = 1;  ///< runs side by side
  int lock = -1;     ///< descriptor that all commands hold
  int threads = 1;   ///< shared by them
  bool quiet = false;
};

/// What is done already is kept, and a training that had begun goes on.
class Runner {
 public:
  /// Throws Error if the folder has results of other commands, and FileError for damaged ones.
  Runner(const Plan& plan, const RunnerOptions& options, const std::atomic<bool>* stop);
  ~Runner();

  /// Until all is done. False if it was asked to stop; the trainings have then written their
  /// checkpoints. If a command fails, its run ends, and Error with the last words of the command is
  /// thrown when the other runs are done. If no training has come through an epoch before, it is
  /// thrown at once.
  bool run();

 private:
  struct Job;
  /// How far a run is.
  struct Progress {
    const RunPlan* run = nullptr;
    size_t next = 0;  ///< task
    std::shared_ptr<Job> job = {};
    bool failed = false;

    bool unfinished() const { return !failed && next < run->tasks.size(); }
  };

  bool may_start(const Progress& progress) const;
  void start(Progress& progress);
  /// Takes what has ended. False as long as nothing has.
  bool reap(Progress& progress);
  void fail(Progress& progress, const Task& task, int exit_code);
  void stop_all();
  int64_t unfinished() const;
  int64_t running() const;
  void show();
  double work_done() const;
  std::string time_left(double done) const;
  std::string path_of(const RunPlan& run, const std::string& file) const;

  const Plan& plan_;
  RunnerOptions options_;
  const std::atomic<bool>* stop_;
  std::vector<Progress> runs_;
  std::vector<std::string> failures_;  ///< what is thrown in the end
  double all_work_ = 0, work_before_ = 0, began_ = 0;
  terminal::StatusLine status_;
};

/// "kindling train --model ...": the task as somebody would type it.
std::string command_line(const Task& task);

}  // namespace kindling::cli
