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

/// Throws FileError if `path` cannot be read as a file, and says what it is instead: nothing, a
/// folder, a named pipe (which would keep its reader waiting for a writer), a socket, a device, a
/// link that leads nowhere.
void check_is_file(const std::filesystem::path& path);

/// The whole file. Throws FileError as check_is_file does, or with the system's reason if it cannot
/// be read.
std::vector<std::byte> read_file(const std::filesystem::path& path);

/// Whether `path` is a folder or a link to one; false also where that cannot be found out.
bool is_folder(const std::filesystem::path& path);
/// Whether there is anything of that name, be it a link that leads nowhere.
bool has_entry(const std::filesystem::path& path);

/// The names of what is in the folder `path`, sorted, without hidden
/// ones (".something"). Throws FileError if it cannot be read.
std::vector<std::string> list_folder(const std::filesystem::path& path);

/// Names of files may be any bytes; JSON takes UTF-8 alone (RFC 3629: shortest forms, no
/// surrogates).
bool is_utf8(const std::string& text);

}  // namespace kindling::data
