// Requests to stop: the first finishes what has begun, the second ends the program at once.
#pragma once

#include <atomic>

namespace kindling::cli {

/// While it lives, Ctrl-C (SIGINT), SIGTERM and SIGHUP set `requested()`, and a second signal ends
/// the process. Signals that the caller has ignored (nohup, background jobs of a script) stay
/// ignored. SIGHUP never counts as the second signal: when a terminal closes, the shell and the
/// kernel both send one. SIGPIPE does not end the process either, because the reader of its output
/// may end by the same Ctrl-C.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>* requested() const;
  /// The exit code of a program that was stopped by a signal, as in shells: 128 and the signal's
  /// number. 130 if there was none.
  static int exit_code();

 private:
  using Handler = void (*)(int);
  Handler interrupt_before_, terminate_before_, hang_up_before_, pipe_before_;
};

}  // namespace kindling::cli
