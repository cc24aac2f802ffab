#include <kindling/train/terminal_progress.h>

#include <algorithm>

#include <fmt/format.h>

#include <kindling/train/printable.h>

namespace kindling {

using terminal::duration;
using terminal::percent;

namespace {

constexpr std::chrono::seconds kPlainLines{30};  // between lines inside an epoch

}  // namespace

std::string TerminalProgress::epoch_label(int64_t epoch, int64_t epochs) const {
  return fmt::format("epoch {:>{}}/{}", epoch, std::to_string(epochs).size(), epochs);
}

void TerminalProgress::on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) {
  label_ = epoch_label(std::min(epoch + 1, epochs), epochs);
  if (step > 0 && epoch >= epochs)
    status_.print(fmt::format("all {} epochs are done already; more go on from here", epochs));
  else if (step > 0)
    status_.print(fmt::format("going on after step {} of {}, in epoch {}", step, steps, epoch + 1));
}

void TerminalProgress::on_step(const StepReport& report) {
  label_ = epoch_label(report.epoch, report.epochs);
  const std::string accuracy = report.epoch_top1 ? "  top-1 " + percent(report.epoch_top1) : "";
  const std::string text = fmt::format("loss {:.3f}{}  {:.0f} images/s  {} left", report.epoch_loss, accuracy,
                                       report.images_per_second, duration(report.seconds_left));
  status_.show(label_, static_cast<double>(report.batch) / static_cast<double>(report.batches), text);
  if (status_.on_terminal() || Clock::now() - last_line_ < kPlainLines) return;
  last_line_ = Clock::now();
  status_.print(fmt::format("{}  step {}/{}  {}", label_, report.step, report.steps, text));
}

void TerminalProgress::on_validation(int64_t done, int64_t total) {
  status_.show(label_, static_cast<double>(done) / static_cast<double>(total), "validation");
}

void TerminalProgress::on_epoch(const EpochReport& report) {
  last_line_ = Clock::now();
  std::string line = fmt::format("{}  loss {:.4f}", epoch_label(report.epoch, report.epochs), report.train_loss);
  if (report.train_top1) line += "  train " + percent(report.train_top1);
  if (report.validation && report.validation->top1)
    line += fmt::format("  val {:>8}", percent(report.validation->top1));
  if (report.validation && report.validation->top5)
    line += fmt::format(" (top-5 {})", percent(report.validation->top5));
  if (report.validation && !report.validation->top1) line += fmt::format("  val loss {:.4f}", report.validation->loss);
  line += fmt::format("  {:.0f} images/s  {}", report.images_per_second, duration(report.seconds));
  if (report.wait_share >= 0.01) line += fmt::format("  waited {:.0f} % for data", 100 * report.wait_share);
  if (report.best) line += "  " + style_.green("best");
  status_.print(line);
}

void TerminalProgress::on_note(const std::string& note) { status_.warn("note: " + terminal::printable(note)); }

}  // namespace kindling
