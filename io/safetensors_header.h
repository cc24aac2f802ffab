// The header of a safetensors file: from its text to entries that have been checked. Not part of the public interface.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <kindling/io/file_error.h>
#include <kindling/io/safetensors.h>

namespace kindling::safetensors {

struct Header {
  std::vector<TensorEntry> entries;                    ///< in the order of their places
  std::unordered_map<std::string_view, size_t> index;  ///< of an entry by its name, which lies in the entry
  Metadata metadata;
};

/// Takes time that is linear in `text`, however many tensors it names. `file_bytes` is the size of
/// the whole file.
Header parse_header(const std::string& path, const std::string& text, int64_t file_bytes);

}  // namespace kindling::safetensors
