#include <kindling/cli/progress.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace kindling::cli {
namespace {

constexpr std::chrono::milliseconds kRepaint{100};
constexpr std::chrono::seconds kPlainLines{30};  // between lines inside an epoch
constexpr int kLongestBar = 30, kShortestBar = 5;

}  // namespace

void StatusLine::show(const std::string& label, double done, const std::string& text) {
  const Clock::time_point now = Clock::now();
  if (quiet_ || !terminal_ || (shown_ && now - painted_ < kRepaint && done < 1)) return;
  painted_ = now;
  shown_ = true;
  const int columns = terminal_columns() - 1;  // a wrapped line cannot be repainted
  const int room = columns - static_cast<int>(label.size() + text.size()) - 6;
  const int width = std::min(room, kLongestBar);
  std::string line = label + "  ";
  if (width >= kShortestBar) {
    const int filled = static_cast<int>(std::lround(std::clamp(done, 0.0, 1.0) * width));
    line += fmt::format("[{:#<{}}{:.<{}}]  ", "", filled, "", width - filled);
  }
  line += text;
  line.resize(std::min(line.size(), static_cast<size_t>(columns)));
  say("\r" + line + "\x1b[K");
}

void StatusLine::clear() {
  if (!shown_) return;
  say("\r\x1b[K");
  shown_ = false;
}

void StatusLine::print(const std::string& line) {
  if (!quiet_) warn(line);
}

void StatusLine::warn(const std::string& line) {
  clear();
  say(line + "\n");
}

std::string percent(const std::optional<double>& value) { return value ? fmt::format("{:.2f} %", *value) : "-"; }

std::string TrainProgress::epoch_label(int64_t epoch, int64_t epochs) const {
  return fmt::format("epoch {:>{}}/{}", epoch, std::to_string(epochs).size(), epochs);
}

void TrainProgress::on_start(int64_t epoch, int64_t epochs, int64_t step, int64_t steps) {
  label_ = epoch_label(std::min(epoch + 1, epochs), epochs);
  if (step > 0) status_.print(fmt::format("going on after step {} of {}, in epoch {}", step, steps, epoch + 1));
}

void TrainProgress::on_step(const StepReport& report) {
  label_ = epoch_label(report.epoch, report.epochs);
  const std::string accuracy = report.epoch_top1 ? "  top-1 " + percent(report.epoch_top1) : "";
  const std::string text = fmt::format("loss {:.3f}{}  {:.0f} images/s  {} left", report.epoch_loss, accuracy,
                                       report.images_per_second, duration(report.seconds_left));
  status_.show(label_, static_cast<double>(report.batch) / static_cast<double>(report.batches), text);
  if (status_.on_terminal() || Clock::now() - last_line_ < kPlainLines) return;
  last_line_ = Clock::now();
  status_.print(fmt::format("{}  step {}/{}  {}", label_, report.step, report.steps, text));
}

void TrainProgress::on_validation(int64_t done, int64_t total) {
  status_.show(label_, static_cast<double>(done) / static_cast<double>(total), "validation");
}

void TrainProgress::on_epoch(const EpochReport& report) {
  last_line_ = Clock::now();
  std::string line = fmt::format("{}  loss {:.4f}", epoch_label(report.epoch, report.epochs), report.train_loss);
  if (report.train_top1) line += "  train " + percent(report.train_top1);
  if (report.validation && report.validation->top1)
    line += fmt::format("  val {:>8} (top-5 {})", percent(report.validation->top1), percent(report.validation->top5));
  else if (report.validation)
    line += fmt::format("  val loss {:.4f}", report.validation->loss);
  line += fmt::format("  {:.0f} images/s  {}", report.images_per_second, duration(report.seconds));
  if (report.wait_share >= 0.01) line += fmt::format("  waited {:.0f} % for data", 100 * report.wait_share);
  if (report.best) line += "  " + style_.green("best");
  status_.print(line);
}

void TrainProgress::on_note(const std::string& note) { status_.warn("note: " + note); }

}  // namespace kindling::cli
