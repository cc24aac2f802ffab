#include <kindling/train/terminal.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include <kindling/train/printable.h>

namespace kindling::terminal {
namespace {

constexpr std::chrono::milliseconds kRepaint{100};
constexpr int kLongestBar = 30, kShortestBar = 5;

bool has_value(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool is_dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string(term) == "dumb";
}

/// A failure can be told nowhere and is no reason to stop working.
void write_error(const std::string& text) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);  // whoever reads it may be gone
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::signal(SIGPIPE, before);
}

}  // namespace

Style::Style(int descriptor) : on_(is_terminal(descriptor) && !has_value("NO_COLOR") && !is_dumb_terminal()) {}

std::string Style::wrapped(const char* code, const std::string& text) const {
  return on_ ? fmt::format("{0}{1}m{2}{0}0m", kColour, code, text) : text;
}

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(seconds));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{}:{:02}", total / 60, total % 60);
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

std::string percent(const std::optional<double>& value) { return value ? fmt::format("{:.2f} %", *value) : "-"; }

void say(const std::string& text) { write_error(printable_lines(text)); }

void put(const std::string& text) {
  const std::string safe = printable_lines(text);
  std::fwrite(safe.data(), 1, safe.size(), stdout);
}

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
  write_error("\r" + printable(line) + "\x1b[K");
}

void StatusLine::clear() {
  if (!shown_) return;
  write_error("\r\x1b[K");
  shown_ = false;
}

void StatusLine::print(const std::string& line) {
  if (!quiet_) warn(line);
}

void StatusLine::warn(const std::string& line) {
  clear();
  say(line + "\n");
}

}  // namespace kindling::terminal
