#include <kindling/io/file_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include <kindling/io/file_error.h>

namespace kindling {

FileLock::FileLock(const std::string& path, const std::string& what, double seconds)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw FileError(path + ": cannot be opened: " + std::generic_category().message(errno));
  constexpr double kPause = 0.05;  // seconds
  for (double waited = 0;; waited += kPause) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    if (waited >= seconds) break;
    std::this_thread::sleep_for(std::chrono::duration<double>(kPause));
  }
  ::close(descriptor_);
  throw FileError(what + ": is in use by another process");
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace kindling
