// What the readers of data/ share. Not part of the public interface.
#pragma once

#include <cstddef>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <kindling/tensor/check.h>

namespace kindling::data {

/// Throws FileError "<path>: <parts...>".
template <class... Parts>
[[noreturn]] void file_error(const std::filesystem::path& path, const Parts&... parts) {
  std::ostringstream message;
  message << path.string() << ": ";
  (message << ... << parts);
  throw FileError(message.str());
}

/// The whole file. Throws FileError with the system's reason if it cannot be read.
std::vector<std::byte> read_file(const std::filesystem::path& path);

/// The names of what is in the folder `path`, sorted, without hidden
/// ones (".something"). Throws FileError if it cannot be read.
std::vector<std::string> list_folder(const std::filesystem::path& path);

/// Names of files may be any bytes; JSON takes UTF-8 alone (RFC 3629: shortest forms, no surrogates).
bool is_utf8(const std::string& text);

}  // namespace kindling::data
