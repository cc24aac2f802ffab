// Progress: a bar on a terminal, plain lines elsewhere; all on standard error.
#pragma once

#include <chrono>
#include <string>

#include <kindling/cli/output.h>
#include <kindling/train/progress.h>

namespace kindling::cli {

/// One line at the bottom of a terminal that is painted over and over. Elsewhere it shows nothing.
class StatusLine {
 public:
  /// `quiet`: it and lines() show nothing.
  explicit StatusLine(bool quiet) : quiet_(quiet), terminal_(is_terminal(2)) {}
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  /// "LABEL [####......] TEXT", at most ten times a second.
  void show(const std::string& label, double done, const std::string& text);
  void clear();
  /// A line that stays, above the status.
  void print(const std::string& line);
  /// Likewise, even when quiet: something to be known.
  void warn(const std::string& line);
  bool on_terminal() const { return terminal_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_, terminal_, shown_ = false;
  Clock::time_point painted_{};
};

/// Tells of training: every epoch in a line, and between them
/// a bar or, where there is no terminal, a line now and then.
class TrainProgress : public TrainListener {
 public:
  explicit TrainProgress(bool quiet) : status_(quiet), style_(2) {}

  void on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) override;
  void on_step(const StepReport& report) override;
  void on_validation(int64_t done, int64_t total) override;
  void on_epoch(const EpochReport& report) override;
  void on_note(const std::string& note) override;
  void print(const std::string& line) { status_.print(line); }
  void finish() { status_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  std::string epoch_label(int64_t epoch, int64_t epochs) const;

  StatusLine status_;
  Style style_;
  std::string label_;  ///< of the epoch in progress
  Clock::time_point last_line_ = Clock::now();
};

/// "56.7 %", "-" for none.
std::string percent(const std::optional<double>& value);

}  // namespace kindling::cli
