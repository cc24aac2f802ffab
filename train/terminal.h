// Text for people at a terminal: colours, a status line that is painted over. All that the library ever prints.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace kindling::terminal {

/// Colours for one stream, in text for say() and put(). There are none if the stream is no
/// terminal, NO_COLOR is set (https://no-color.org), or TERM is "dumb".
class Style {
 public:
  /// `descriptor` is 1 (standard output) or 2 (standard error).
  explicit Style(int descriptor);
  std::string bold(const std::string& text) const { return wrapped("1", text); }
  std::string dim(const std::string& text) const { return wrapped("2", text); }
  std::string green(const std::string& text) const { return wrapped("32", text); }
  std::string red(const std::string& text) const { return wrapped("31", text); }

 private:
  std::string wrapped(const char* code, const std::string& text) const;
  bool on_;
};

bool is_terminal(int descriptor);
/// Columns of the terminal behind standard error, 80 if that is not known.
int terminal_columns();

/// "12 s", "4:32", "1:02:03"
std::string duration(double seconds);
/// "56.70 %", "-" for none.
std::string percent(const std::optional<double>& value);

/// Writes lines to standard error, made by printable_lines(). A failure is ignored: there is
/// nowhere to report it, and no reason to stop.
void say(const std::string& text);
/// The same to standard output. The caller finds failures with std::ferror().
void put(const std::string& text);

/// One line at the bottom of a terminal, which is overwritten again and again. Without a terminal
/// it shows nothing.
class StatusLine {
 public:
  /// `quiet`: show() and print() do nothing.
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

}  // namespace kindling::terminal
