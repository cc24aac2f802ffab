// The checksum of safetensors files of ours and of zip archives. Internal to io/.
#pragma once

#include <cstdint>
#include <string_view>

namespace kindling {

/// CRC-32 (ISO 3309, as in zlib and PNG). `before` is the checksum of the bytes that precede them.
uint32_t crc32(std::string_view bytes, uint32_t before = 0);

}  // namespace kindling
