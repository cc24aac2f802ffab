// A file that one process at a time can hold.
#pragma once

#include <string>

namespace kindling {

/// Holds the file, which is made if need be, until the end of its life or of the process, however
/// that ends. A file system without locks gives no protection.
class FileLock {
 public:
  /// Waits up to `seconds` for it. Throws FileError if the file cannot be opened, and "WHAT: is in
  /// use by another process".
  FileLock(const std::string& path, const std::string& what, double seconds = 0);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// A process that inherits it holds the lock too.
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

}  // namespace kindling
