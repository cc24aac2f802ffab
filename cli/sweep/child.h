// A command that runs beside this program, and ends with it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace kindling::cli {

/// How a command has ended, and what it has used.
struct ChildEnd {
  int code = 0;  ///< exit code; 128 and the signal's number if one has ended it
  double cpu_seconds = 0, peak_rss_mb = 0;
};

/// A process of this same program. If this process dies, even by SIGKILL, the child does too. It
/// holds the descriptor `shared` open until it has ended: a lock that says that all of them have.
class Child {
 public:
  struct Where {
    std::string folder;    ///< to run in
    std::string out, log;  ///< files for its standard output, written anew, and its errors, appended
    int shared = -1;
  };
  /// Throws FileError if it cannot be started or a file cannot be opened.
  Child(const std::vector<std::string>& words, const Where& where);
  /// Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Asks it to stop (SIGTERM).
  void interrupt() const;
  /// Nothing while it runs.
  std::optional<ChildEnd> poll();

 private:
  pid_t process_ = -1;
  std::optional<ChildEnd> end_;
};

}  // namespace kindling::cli
