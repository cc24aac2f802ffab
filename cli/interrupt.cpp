#include <kindling/cli/interrupt.h>

#include <unistd.h>

#include <cerrno>
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

void stop_or_quit(int signal) {
  if (interrupted.exchange(true)) {
    if (signal == SIGHUP) return;
    ::_exit(kStoppedBySignal + signal);
  }
  first_signal = signal;
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, notice(signal).data(), notice(signal).size());
}

/// Keeps errno: the interrupted code may be about to read it.
void on_signal(int signal) {
  const int error = errno;
  stop_or_quit(signal);
  errno = error;
}

/// Returns the handler of `signal` before. Ignored signals stay ignored: nohup ignores SIGHUP, and
/// a script ignores SIGINT for what it starts in the background.
auto listen_to(int signal) {
  struct sigaction before {};
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return before.sa_handler;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
  return before.sa_handler;
}

}  // namespace

Interrupt::Interrupt() {
  interrupted = false;
  interrupt_before_ = listen_to(SIGINT);
  terminate_before_ = listen_to(SIGTERM);
  hang_up_before_ = listen_to(SIGHUP);
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
