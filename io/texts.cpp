#include <kindling/io/texts.h>

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace kindling {

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i++]);
    if (first < 0x80) continue;
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;  // bytes that follow
    if (first < 0xC2 || first > 0xF4) return false;
    uint32_t character = first & (0x3FU >> more);
    for (int k = 0; k < more; ++k, ++i) {
      if (i == text.size() || (static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return false;
      character = (character << 6) | (static_cast<uint8_t>(text[i]) & 0x3FU);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (character < kLeast[more] || character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) return false;
  }
  return true;
}

void check_texts(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  const auto check_utf8 = [&](const std::string& text) {
    if (!is_utf8(text)) throw FileError(path + ": names and metadata must be UTF-8");
  };
  std::unordered_set<std::string_view> seen;
  for (const NamedTensor& tensor : tensors) {
    check_utf8(tensor.name);
    if (!seen.insert(tensor.name).second) throw FileError(path + ": two tensors are named \"" + tensor.name + "\"");
  }
  for (const auto& [name, note] : metadata) check_utf8(name), check_utf8(note);
}

}  // namespace kindling
