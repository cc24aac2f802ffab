#include <kindling/cli/interrupt.h>

#include <unistd.h>

#include <csignal>
#include <string_view>

#include <kindling/cli/program.h>

namespace kindling::cli {
namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch it");

void on_signal(int /*signal*/) {
  if (interrupted.exchange(true)) ::_exit(kInterrupted);
  constexpr std::string_view kNotice = "\nstopping; Ctrl-C again quits at once\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kNotice.data(), kNotice.size());
}

}  // namespace

Interrupt::Interrupt() {
  interrupted = false;
  before_ = std::signal(SIGINT, on_signal);
  pipe_before_ = std::signal(SIGPIPE, SIG_IGN);
}

Interrupt::~Interrupt() {
  std::signal(SIGPIPE, pipe_before_);
  std::signal(SIGINT, before_);
}

const std::atomic<bool>* Interrupt::requested() const { return &interrupted; }

}  // namespace kindling::cli
