// Progress of training: a bar on a terminal, plain lines elsewhere; all on standard error.
#pragma once

#include <memory>
#include <string>

#include <kindling/train/progress.h>

namespace kindling {

/// Shows a training: a line for every epoch, and between them a bar or, without a terminal, a line
/// now and then. FitOptions::progress turns it on.
class TerminalProgress : public TrainListener {
 public:
  /// `quiet`: notes alone are shown.
  explicit TerminalProgress(bool quiet = false);
  ~TerminalProgress() override;

  void on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) override;
  void on_step(const StepReport& report) override;
  void on_validation(int64_t done, int64_t total) override;
  void on_epoch(const EpochReport& report) override;
  void on_note(const std::string& note) override;
  /// A bar for work of the caller's own; without a terminal, a line now and then.
  void show(const std::string& what, int64_t done, int64_t total);
  /// A line of the caller's own, above the bar.
  void print(const std::string& line);
  /// Takes the bar away.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kindling
