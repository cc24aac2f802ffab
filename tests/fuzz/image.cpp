#include <kindling/data/image.h>

#include <zlib.h>

#include <algorithm>

#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {
namespace {

/// Puts the right checksums into a PNG: else these would refuse nearly every change.
void repair_png(std::string& file) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(file[i]); };
  for (size_t at = 8; at + 12 <= file.size();) {  // a chunk: length, type, data, checksum
    const size_t length = size_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    if (length > file.size() - at - 12) return;
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(file.data() + at + 4), static_cast<uInt>(length + 4));
    for (size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<char>(sum >> (24 - 8 * i));
    at += 12 + length;
  }
}

}  // namespace

bool image(std::string_view bytes) {
  std::string file(bytes);
  if (file.starts_with("\x89PNG")) repair_png(file);
  // A file of a few bytes may honestly be a picture of many pixels, which take time and memory: fewer are allowed here.
  const data::DecodeOptions options{.max_pixels = 1 << 16};
  return accepts([&] { data::decode_image(std::as_bytes(std::span(file)), "image", options); });
}

}  // namespace kindling::fuzz
