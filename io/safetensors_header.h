// The header of a safetensors file: from its text to entries that have been checked. Not part of the public interface.
#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <kindling/io/safetensors.h>

namespace kindling::safetensors {

/// Throws FileError "<path>: byte <offset>: <parts...>".
template <class... Parts>
[[noreturn]] void refuse(const std::string& path, int64_t offset, const Parts&... parts) {
  std::ostringstream message;
  message << path << ": byte " << offset << ": ";
  (message << ... << parts);
  throw FileError(message.str());
}

/// Bytes per element, 0 for a dtype that cannot be read.
int64_t element_bytes(const std::string& dtype);

struct Header {
  std::vector<TensorEntry> entries;                    ///< in the order of their places
  std::unordered_map<std::string_view, size_t> index;  ///< of an entry by its name, which lies in the entry
  Metadata metadata;
};

/// Takes time that is linear in `text`, however many tensors it names. `file_bytes` is the size of
/// the whole file.
Header parse_header(const std::string& path, const std::string& text, int64_t file_bytes);

}  // namespace kindling::safetensors
