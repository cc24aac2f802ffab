#include <kindling/train/printable.h>

#include <cstdio>

namespace kindling::terminal {
namespace {

unsigned byte_at(std::string_view text, size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; }

/// Bytes of the UTF-8 character at the head of `text`; 1 if there is none.
size_t character_length(std::string_view text) {
  const unsigned lead = byte_at(text, 0);
  const size_t length = lead >> 5 == 0b110 ? 2 : lead >> 4 == 0b1110 ? 3 : lead >> 3 == 0b11110 ? 4 : 1;
  for (size_t i = 1; i < length; ++i)
    if (byte_at(text, i) >> 6 != 0b10) return 1;
  return length;
}

bool is_control(std::string_view character) {
  const unsigned lead = byte_at(character, 0);
  if (character.size() == 1) return lead < 0x20 || (lead >= 0x7F && lead < 0xA0);
  return lead == 0xC2 && byte_at(character, 1) < 0xA0;
}

std::string escaped(std::string_view bytes) {
  std::string result;
  for (size_t i = 0; i < bytes.size(); ++i) {
    char text[8];
    std::snprintf(text, sizeof text, "\\x%02x", byte_at(bytes, i));
    result += text;
  }
  return result;
}

/// Length of kColour, digits, "m" at the head of `text`; 0 if they are not there.
size_t colour_length(std::string_view text) {
  if (text.empty() || text[0] != kColour) return 0;
  const size_t end = text.find_first_not_of("0123456789", 1);
  return end != std::string_view::npos && end > 1 && text[end] == 'm' ? end + 1 : 0;
}

std::string make_printable(std::string_view text, bool lines) {
  std::string result;
  while (!text.empty()) {
    size_t length = lines ? colour_length(text) : 0;
    if (length > 0) {
      result.append("\x1b[").append(text.substr(1, length - 1));
    } else {
      length = character_length(text);
      const std::string_view character = text.substr(0, length);
      const bool stays = !is_control(character) || (lines && character == "\n");
      result += stays ? std::string(character) : escaped(character);
    }
    text.remove_prefix(length);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) { return make_printable(text, /*lines=*/false); }
std::string printable_lines(std::string_view text) { return make_printable(text, /*lines=*/true); }

}  // namespace kindling::terminal
