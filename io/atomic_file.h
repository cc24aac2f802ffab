// Files that are there whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <kindling/tensor/check.h>

namespace kindling {

/// Writes a temporary file beside the final one, and renames it once it is on the disk. Whoever
/// opens `path`, even after a crash, finds the old contents or the new, never a part. A failure (no
/// such folder, no space left, no permission) throws FileError with the path and the system's
/// reason, and removes the temporary file.
class AtomicFile {
 public:
  /// Opens "<path>.tmp-<process>-<n>" in the same folder.
  explicit AtomicFile(std::string path);
  /// Removes the temporary file unless commit() has succeeded.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Flushes the file to the disk, renames it to `path` and flushes the folder. Call it once, last.
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;
  void sync_folder() const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

/// The whole of `contents` as the file `path`, atomically.
void write_file(const std::string& path, std::string_view contents);
/// The whole file. Throws FileError if it cannot be read.
std::string read_file(const std::string& path);

/// Removes temporary files of this `path` that killed processes have left.
void remove_temporary_files(const std::string& path);

}  // namespace kindling
