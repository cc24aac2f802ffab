#include <kindling/data/files.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

// What is at a place that is no regular file.
const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

void check_is_file(const fs::path& path) {
  struct stat target {};
  if (::stat(path.c_str(), &target) == 0) {
    if (!S_ISREG(target.st_mode)) file_error(path, "is ", kind_of(target.st_mode), ", not a file");
    return;
  }
  const int reason = errno;
  std::error_code ignored;
  const bool is_link = fs::is_symlink(fs::symlink_status(path, ignored));
  if (is_link && reason == ELOOP) file_error(path, "is a link that leads back to itself");
  if (is_link && reason == ENOENT)
    file_error(path, "is a link to ", fs::read_symlink(path, ignored).string(), ", which is not there");
  file_error(path, "cannot be opened: ", std::strerror(reason));
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool has_entry(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

std::vector<std::byte> read_file(const fs::path& path) {
  check_is_file(path);
  std::ifstream in(path, std::ios::binary);
  if (!in) file_error(path, "cannot be opened: ", std::strerror(errno));
  in.seekg(0, std::ios::end);
  std::vector<std::byte> bytes(static_cast<size_t>(std::max<std::streamoff>(0, in.tellg())));
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
    file_error(path, "cannot be read: ", std::strerror(errno));
  return bytes;
}

std::vector<std::string> list_folder(const fs::path& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  if (error) file_error(path, "cannot be read as a folder: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace kindling::data
