#include <kindling/data/files.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>

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
  constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};  // of those that need so many bytes
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    const auto bytes = static_cast<size_t>(std::countl_one(first));
    if (bytes == 0) continue;
    if (bytes == 1 || bytes > 4) return false;
    uint32_t point = first & (0x7Fu >> bytes);
    for (size_t k = 1; k < bytes; ++k, ++i) {
      if (i == text.size() || (text[i] & 0xC0) != 0x80) return false;
      point = point << 6 | (text[i] & 0x3F);
    }
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    if (point < kSmallest[bytes] || surrogate || point > 0x10FFFF) return false;
  }
  return true;
}

}  // namespace kindling::data
