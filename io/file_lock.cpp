#include <kindling/io/file_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <kindling/io/file_error.h>

namespace kindling {

FileLock::FileLock(const std::string& path, const std::string& what)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw FileError(path + ": cannot be opened: " + std::generic_category().message(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw FileError(what + ": is in use by another process");
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace kindling
