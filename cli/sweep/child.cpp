#include <kindling/cli/sweep/child.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include <kindling/io/file_error.h>

namespace kindling::cli {
namespace {

std::string reason() { return std::generic_category().message(errno); }

int open_file(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  if (file < 0) throw FileError(path + ": cannot be opened: " + reason());
  return file;
}

/// In the new process, where only calls that are safe in a signal handler are allowed. A process
/// group of its own keeps Ctrl-C away: this program passes it on.
[[noreturn]] void become(char* const* words, const Child::Where& where, int out, int log, pid_t parent) {
  constexpr int kCannotRun = 127;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotRun);  // it had died before
  if (where.shared >= 0) ::fcntl(where.shared, F_SETFD, 0);
  if (::chdir(where.folder.c_str()) != 0 || ::dup2(out, STDOUT_FILENO) < 0 || ::dup2(log, STDERR_FILENO) < 0)
    ::_exit(kCannotRun);
  ::execv("/proc/self/exe", words);
  ::_exit(kCannotRun);
}

ChildEnd end_of(int status, const rusage& used) {
  constexpr int kStoppedBySignal = 128;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : kStoppedBySignal + WTERMSIG(status),
          .cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime),
          .peak_rss_mb = static_cast<double>(used.ru_maxrss) * 1024e-6};  // Linux counts KiB
}

}  // namespace

Child::Child(const std::vector<std::string>& words, const Where& where) {
  std::vector<std::string> copies = words;
  std::string name = "kindling";
  std::vector<char*> arguments{name.data()};
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int out = open_file(where.out, O_TRUNC);
  int log = -1;
  try {
    log = open_file(where.log, O_APPEND);
  } catch (...) {
    ::close(out);
    throw;
  }
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) become(arguments.data(), where, out, log, parent);
  const int error = errno;
  ::close(out);
  ::close(log);
  errno = error;
  if (process_ < 0) throw FileError("a process cannot be started: " + reason());
}

Child::~Child() {
  if (end_) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Child::interrupt() const {
  if (!end_) ::kill(process_, SIGTERM);
}

std::optional<ChildEnd> Child::poll() {
  if (end_) return end_;
  int status = 0;
  rusage used{};
  if (::wait4(process_, &status, WNOHANG, &used) == process_) end_ = end_of(status, used);
  return end_;
}

}  // namespace kindling::cli
