#include <kindling/train/terminal_progress.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include <kindling/train/printable.h>
#include <kindling/train/terminal.h>

namespace kindling {

using terminal::duration;
using terminal::percent;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPlainLines{30};  // between lines inside an epoch

std::string epoch_label(int64_t epoch, int64_t epochs) {
  return fmt::format("epoch {:>{}}/{}", epoch, std::to_string(epochs).size(), epochs);
}

}  // namespace

struct TerminalProgress::State {
  terminal::StatusLine status;
  terminal::Style style{2};
  std::string label = {};  ///< of the epoch in progress
  Clock::time_point last_line = Clock::now();

  /// Where there is no bar.
  void print_now_and_then(const std::string& line) {
    if (status.on_terminal() || Clock::now() - last_line < kPlainLines) return;
    last_line = Clock::now();
    status.print(line);
  }
};

TerminalProgress::TerminalProgress(bool quiet) : state_(new State{.status = terminal::StatusLine(quiet)}) {}

TerminalProgress::~TerminalProgress() = default;

void TerminalProgress::print(const std::string& line) { state_->status.print(line); }

void TerminalProgress::show(const std::string& what, int64_t done, int64_t total) {
  const std::string text = fmt::format("{} of {}", done, total);
  state_->status.show(what, static_cast<double>(done) / static_cast<double>(total), text);
  state_->print_now_and_then(fmt::format("{}  {}", what, text));
}

void TerminalProgress::finish() { state_->status.clear(); }

void TerminalProgress::on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) {
  state_->label = epoch_label(std::min(epoch + 1, epochs), epochs);
  if (step > 0 && epoch >= epochs)
    state_->status.print(fmt::format("all {} epochs are done already; more go on from here", epochs));
  else if (step > 0)
    state_->status.print(fmt::format("going on after step {} of {}, in epoch {}", step, steps, epoch + 1));
}

void TerminalProgress::on_step(const StepReport& report) {
  state_->label = epoch_label(report.epoch, report.epochs);
  const std::string accuracy = report.epoch_top1 ? "  top-1 " + percent(report.epoch_top1) : "";
  const std::string text = fmt::format("loss {:.3f}{}  {:.0f} images/s  {} left", report.epoch_loss, accuracy,
                                       report.images_per_second, duration(report.seconds_left));
  state_->status.show(state_->label, static_cast<double>(report.batch) / static_cast<double>(report.batches), text);
  state_->print_now_and_then(fmt::format("{}  step {}/{}  {}", state_->label, report.step, report.steps, text));
}

void TerminalProgress::on_validation(int64_t done, int64_t total) {
  state_->status.show(state_->label, static_cast<double>(done) / static_cast<double>(total), "validation");
}

void TerminalProgress::on_epoch(const EpochReport& report) {
  state_->last_line = Clock::now();
  std::string line = fmt::format("{}  loss {:.4f}", epoch_label(report.epoch, report.epochs), report.train_loss);
  if (report.train_top1) line += "  train " + percent(report.train_top1);
  if (report.validation && report.validation->top1)
    line += fmt::format("  val {:>8}", percent(report.validation->top1));
  if (report.validation && report.validation->top5)
    line += fmt::format(" (top-5 {})", percent(report.validation->top5));
  if (report.validation && !report.validation->top1) line += fmt::format("  val loss {:.4f}", report.validation->loss);
  line += fmt::format("  {:.0f} images/s  {}", report.images_per_second, duration(report.seconds));
  if (report.wait_share >= 0.01) line += fmt::format("  waited {:.0f} % for data", 100 * report.wait_share);
  if (report.best) line += "  " + state_->style.green("best");
  state_->status.print(line);
}

void TerminalProgress::on_note(const std::string& note) { state_->status.warn("note: " + terminal::printable(note)); }

}  // namespace kindling
