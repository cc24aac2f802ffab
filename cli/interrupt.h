// Requests to stop: the first finishes what has begun, the second ends the program at once.
#pragma once

#include <atomic>

namespace kindling::cli {

/// While it lives, Ctrl-C (SIGINT), SIGTERM and SIGHUP set `requested()`; a second one ends the process. Those
/// that the caller has ignored (nohup, a script's background jobs) stay so. No SIGHUP ends the process as the second
/// signal: where a terminal closes, the shell and the kernel both send one. What reads our output may end by the same
/// Ctrl-C: that is no reason to end too (SIGPIPE).
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>* requested() const;
  /// Of a program that a signal has stopped, as shells have it: 128 and the signal's number. 130 before there was one.
  static int exit_code();

 private:
  using Handler = void (*)(int);
  Handler interrupt_before_, terminate_before_, hang_up_before_, pipe_before_;
};

}  // namespace kindling::cli
