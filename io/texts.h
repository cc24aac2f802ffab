// What the writers of files demand of names and metadata. Internal to io/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <kindling/io/safetensors.h>

namespace kindling {

/// Whether a text is UTF-8, by RFC 3629: no surrogates, nothing above U+10FFFF, each character in
/// its shortest form.
bool is_utf8(std::string_view text);

/// Throws FileError if two tensors have the same name, or if a name or a note is not UTF-8.
void check_texts(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata = {});

}  // namespace kindling
