#include <kindling/data/image_header.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <libexif/exif-data.h>
#include <zlib.h>

#include <kindling/data/files.h>

namespace kindling::data {
namespace {

using Bytes = std::span<const std::byte>;

uint32_t big_endian(Bytes bytes, size_t offset, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[offset + i]);
  return value;
}

bool starts_with(Bytes bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

constexpr std::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);
constexpr std::string_view kExifPrefix("Exif\0\0", 6);

ImageHeader png_header(Bytes bytes, const std::string& name) {
  constexpr size_t kFrame = 12;  // length, type and checksum, 4 bytes each
  ImageHeader header;
  for (size_t at = kPngSignature.size();;) {
    const size_t left = bytes.size() - at;
    const size_t length = left >= kFrame ? big_endian(bytes, at, 4) : 0;
    if (left < kFrame || length > left - kFrame)
      file_error(name, "the PNG file is cut short: it has ", bytes.size(), " bytes, and the chunk at byte ", at,
                 " needs more");
    const Bytes type_and_data = bytes.subspan(at + 4, length + 4), data = type_and_data.subspan(4);
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(type_and_data.data()), static_cast<uInt>(length + 4));
    if (sum != big_endian(bytes, at + 8 + length, 4))
      file_error(name, "the PNG file is damaged: wrong checksum of the chunk at byte ", at);
    if (starts_with(type_and_data, "IEND")) return header;
    if (starts_with(type_and_data, "IHDR") && length >= 8) {
      header.width = big_endian(data, 0, 4);
      header.height = big_endian(data, 4, 4);
    }
    if (starts_with(type_and_data, "eXIf")) {
      std::string block(kExifPrefix);
      block.append(reinterpret_cast<const char*>(data.data()), length);
      header.orientation = exif_orientation(std::as_bytes(std::span(block))).value_or(1);
    }
    at += kFrame + length;
  }
}

ImageHeader bmp_header(Bytes bytes) {
  const auto field = [bytes](size_t offset, size_t count) {  // little-endian
    uint32_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[offset + i]);
    return value;
  };
  ImageHeader header;
  if (bytes.size() < 26) return header;
  const bool is_old = field(14, 4) == 12;  // OS/2's, with sizes of 16 bits
  header.width = is_old ? field(18, 2) : field(18, 4);
  header.height =
      is_old ? field(20, 2) : std::abs(int64_t{static_cast<int32_t>(field(22, 4))});  // negative: rows go down
  return header;
}

}  // namespace

ImageHeader read_image_header(Bytes bytes, const std::string& name) {
  if (starts_with(bytes, kPngSignature)) return png_header(bytes, name);
  if (starts_with(bytes, "BM")) return bmp_header(bytes);
  file_error(name, bytes.empty() ? "the file is empty" : "not a JPEG, PNG or BMP file");
}

std::optional<int> exif_orientation(Bytes block) {
  if (!starts_with(block, kExifPrefix)) return std::nullopt;
  const std::unique_ptr<ExifData, void (*)(ExifData*)> exif(
      exif_data_new_from_data(reinterpret_cast<const unsigned char*>(block.data()),
                              static_cast<unsigned>(block.size())),
      exif_data_unref);
  if (exif == nullptr) return std::nullopt;
  const ExifEntry* entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->components != 1) return std::nullopt;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif.get()));
  return orientation >= 1 && orientation <= 8 ? std::optional(orientation) : std::nullopt;
}

void check_pixels(const std::string& name, int64_t width, int64_t height, int64_t most) {
  if (height > 0 && width > most / height)
    file_error(name, "the image has ", width, " x ", height, " pixels; at most ", most, " are accepted (max_pixels)");
}

}  // namespace kindling::data
