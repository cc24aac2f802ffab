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

/// Throws FileError if `path` cannot be read as a file. The message says what it is instead:
/// nothing, a folder, a named pipe (whose reader would wait for ever), a socket, a device, or a
/// link that leads nowhere.
void check_is_file(const std::filesystem::path& path);

/// The whole file. Throws FileError as check_is_file() does, or with the system's reason.
std::vector<std::byte> read_file(const std::filesystem::path& path);

/// Whether `path` is a folder or a link to one. False if that cannot be found out.
bool is_folder(const std::filesystem::path& path);
/// Whether anything has this name, even a link that leads nowhere.
bool has_entry(const std::filesystem::path& path);

/// The names of what is in the folder `path`, sorted, without hidden
/// ones (".something"). Throws FileError if it cannot be read.
std::vector<std::string> list_folder(const std::filesystem::path& path);

/// Whether `text` is UTF-8 (RFC 3629: shortest forms, no surrogates). JSON needs it; names of files
/// may be any bytes.
bool is_utf8(const std::string& text);

}  // namespace kindling::data
