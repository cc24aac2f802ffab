#include <kindling/data/files.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

namespace kindling::data {

namespace fs = std::filesystem;

std::vector<std::byte> read_file(const fs::path& path) {
  if (fs::is_directory(path)) file_error(path, "is a folder, not a file");
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
