// Ctrl-C: the first finishes what has begun, the second ends the program at once.
#pragma once

#include <atomic>

namespace kindling::cli {

/// While it lives, Ctrl-C (SIGINT) sets `requested()`; a second one ends the process with exit code 130. What reads our
/// output may end by the same Ctrl-C: that is no reason to end too (SIGPIPE).
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>* requested() const;

 private:
  void (*before_)(int);
  void (*pipe_before_)(int);
};

}  // namespace kindling::cli
