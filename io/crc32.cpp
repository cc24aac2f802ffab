#include <kindling/io/crc32.h>

#include <zlib.h>

namespace kindling {

uint32_t crc32(std::string_view bytes, uint32_t before) {
  return static_cast<uint32_t>(::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace kindling
