// Progress of training: a bar on a terminal, plain lines elsewhere; all on standard error.
#pragma once

#include <chrono>
#include <string>

#include <kindling/train/progress.h>
#include <kindling/train/terminal.h>

namespace kindling {

/// Shows a training: a line for every epoch, and between them a bar or, without a terminal, a line
/// now and then. FitOptions::progress turns it on.
class TerminalProgress : public TrainListener {
 public:
  /// `quiet`: notes alone are shown.
  explicit TerminalProgress(bool quiet = false) : status_(quiet), style_(2) {}

  void on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) override;
  void on_step(const StepReport& report) override;
  void on_validation(int64_t done, int64_t total) override;
  void on_epoch(const EpochReport& report) override;
  void on_note(const std::string& note) override;
  /// A line of the caller's own, above the bar.
  void print(const std::string& line) { status_.print(line); }
  /// Takes the bar away.
  void finish() { status_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  std::string epoch_label(int64_t epoch, int64_t epochs) const;

  terminal::StatusLine status_;
  terminal::Style style_;
  std::string label_;  ///< of the epoch in progress
  Clock::time_point last_line_ = Clock::now();
};

}  // namespace kindling
