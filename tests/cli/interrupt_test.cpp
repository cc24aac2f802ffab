// What a signal leaves behind, in the process that gets it.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <kindling/cli/interrupt.h>

using namespace kindling::cli;

TEST_CASE("a signal that cannot be announced leaves errno to what it interrupts") {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC), standard_error = ::dup(STDERR_FILENO);
  REQUIRE(full >= 0);
  const Interrupt interrupt;
  ::dup2(full, STDERR_FILENO);
  errno = EXDEV;  // which no write gives
  std::raise(SIGTERM);
  const int after = errno;
  ::dup2(standard_error, STDERR_FILENO);
  ::close(standard_error);
  ::close(full);
  CHECK(after == EXDEV);
  CHECK(interrupt.requested()->load());
  CHECK(Interrupt::exit_code() == 128 + SIGTERM);
}
