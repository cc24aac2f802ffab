#include <kindling/cli/interrupt.h>

#include <unistd.h>

#include <csignal>
#include <string_view>

namespace kindling::cli {
namespace {

constexpr int kStoppedBySignal = 128;

std::atomic<bool> interrupted = false;
std::atomic<int> first_signal = SIGINT;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may touch them");

constexpr std::string_view notice(int signal) {
  if (signal == SIGTERM) return "\nstopping (SIGTERM); a second one quits at once\n";
  if (signal == SIGHUP) return "\nstopping (SIGHUP); SIGTERM quits at once\n";
  return "\nstopping; Ctrl-C again quits at once\n";
}

void on_signal(int signal) {
  if (interrupted.exchange(true)) {
    if (signal == SIGHUP) return;
    ::_exit(kStoppedBySignal + signal);
  }
  first_signal = signal;
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, notice(signal).data(), notice(signal).size());
}

}  // namespace

Interrupt::Interrupt() {
  interrupted = false;
  interrupt_before_ = std::signal(SIGINT, on_signal);
  terminate_before_ = std::signal(SIGTERM, on_signal);
  hang_up_before_ = std::signal(SIGHUP, on_signal);
  if (hang_up_before_ == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  pipe_before_ = std::signal(SIGPIPE, SIG_IGN);
}

Interrupt::~Interrupt() {
  std::signal(SIGPIPE, pipe_before_);
  std::signal(SIGHUP, hang_up_before_);
  std::signal(SIGTERM, terminate_before_);
  std::signal(SIGINT, interrupt_before_);
}

const std::atomic<bool>* Interrupt::requested() const { return &interrupted; }

int Interrupt::exit_code() { return kStoppedBySignal + first_signal; }

}  // namespace kindling::cli
