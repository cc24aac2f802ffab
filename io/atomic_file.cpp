#include <kindling/io/atomic_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace kindling {
namespace {

std::string reason() { return std::generic_category().message(errno); }

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string temporary_path(const std::string& path, const std::string& process, const std::string& n) {
  return path + ".tmp-" + process + "-" + n;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return '0' <= c && c <= '9'; });
}

/// Whether `other` has that form, whatever the two numbers are.
bool is_temporary_of(const std::string& path, const std::string& other) {
  const size_t first = temporary_path(path, "", "").size() - 1, last = other.rfind('-');
  if (last == std::string::npos || last < first) return false;
  const std::string process = other.substr(first, last - first), n = other.substr(last + 1);
  return is_number(process) && is_number(n) && other == temporary_path(path, process, n);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<int> count{0};
  temporary_ = temporary_path(path_, std::to_string(::getpid()), std::to_string(count++));
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw FileError(path_ + ": cannot be written: " + reason());
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const { throw FileError(path_ + ": " + what + ": " + reason()); }

void AtomicFile::write(const void* data, size_t bytes) {
  const char* rest = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, rest, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    rest += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("cannot be flushed to the disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder();
}

// A rename is on the disk once its folder is. Some file systems
// cannot flush a folder (EINVAL): they have nothing to flush.
void AtomicFile::sync_folder() const {
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail("its folder cannot be opened");
  const bool ok = ::fsync(folder) == 0 || errno == EINVAL;
  const int error = errno;
  ::close(folder);
  errno = error;
  if (!ok) fail("its folder cannot be flushed to the disk");
}

void write_file(const std::string& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

std::string read_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw FileError(path + ": cannot be opened: " + reason());
  std::string contents;
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
    contents.reserve(static_cast<size_t>(status.st_size));
  char block[1 << 16];
  ssize_t got;
  while ((got = ::read(descriptor, block, sizeof block)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) contents.append(block, static_cast<size_t>(got));
  const std::string error = got < 0 ? reason() : "";
  ::close(descriptor);
  if (got < 0) throw FileError(path + ": cannot be read: " + error);
  return contents;
}

void remove_temporary_files(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(path), ignored))
    if (is_temporary_of(name, entry.path().filename().string())) std::filesystem::remove(entry.path(), ignored);
}

}  // namespace kindling
