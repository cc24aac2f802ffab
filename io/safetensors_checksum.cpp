#include <zlib.h>

#include <kindling/io/safetensors_format.h>

namespace kindling::safetensors {

uint32_t crc32(const void* data, int64_t bytes, uint32_t before) {
  return static_cast<uint32_t>(::crc32_z(before, static_cast<const Bytef*>(data), static_cast<size_t>(bytes)));
}

std::string hex(uint32_t number) {
  std::string text(kChecksumDigits, '0');
  for (size_t i = kChecksumDigits; i-- > 0; number >>= 4) text[i] = "0123456789abcdef"[number & 0xF];
  return text;
}

uint32_t header_crc32(const std::string& header) {
  const uint64_t length = header.size();
  return crc32(header.data(), static_cast<int64_t>(length), crc32(&length, kLengthBytes));
}

}  // namespace kindling::safetensors
