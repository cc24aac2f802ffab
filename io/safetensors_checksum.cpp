#include <kindling/io/crc32.h>
#include <kindling/io/safetensors_format.h>

namespace kindling::safetensors {

std::string hex(uint32_t number) {
  std::string text(kChecksumDigits, '0');
  for (size_t i = kChecksumDigits; i-- > 0; number >>= 4) text[i] = "0123456789abcdef"[number & 0xF];
  return text;
}

uint32_t header_crc32(const std::string& header) {
  const uint64_t length = header.size();
  return crc32(header, crc32({reinterpret_cast<const char*>(&length), kLengthBytes}));
}

}  // namespace kindling::safetensors
