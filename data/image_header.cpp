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

// `block`: "Exif\0\0" and the TIFF structure. A damaged one counts as saying nothing: the picture itself may be whole.
int exif_orientation(Bytes block) {
  const std::unique_ptr<ExifData, void (*)(ExifData*)> exif(
      exif_data_new_from_data(reinterpret_cast<const unsigned char*>(block.data()),
                              static_cast<unsigned>(block.size())),
      exif_data_unref);
  if (exif == nullptr) return 1;
  const ExifEntry* entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->components != 1) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

constexpr uint32_t kHuffmanTables = 0xC4, kEndOfImage = 0xD9, kStartOfScan = 0xDA, kApp1 = 0xE1, kApp14 = 0xEE;

bool is_start_of_frame(uint32_t marker) {
  const bool is_table = marker == kHuffmanTables || marker == 0xC8 || marker == 0xCC;  // DHT, JPG, DAC
  return marker >= 0xC0 && marker <= 0xCF && !is_table;
}

// Calls f(marker, offset of the payload, its length) for every segment up to the end of the image, also those between
// scans. A payload may claim to go on beyond the file.
template <class F>
void for_each_jpeg_segment(Bytes bytes, F f) {
  const auto is_alone = [](uint32_t marker) {  // a stuffed zero of the compressed data, or a restart
    return marker == 0x00 || (marker >= 0xD0 && marker <= 0xD7);
  };
  for (size_t at = 2; at + 4 <= bytes.size();) {
    const void* found = std::memchr(bytes.data() + at, 0xFF, bytes.size() - at - 3);
    if (found == nullptr) return;
    at = static_cast<size_t>(static_cast<const std::byte*>(found) - bytes.data());
    const uint32_t marker = big_endian(bytes, at + 1, 1);
    if (marker == 0xFF || is_alone(marker)) {
      ++at;
      continue;
    }
    if (marker == kEndOfImage) return;
    const size_t length = big_endian(bytes, at + 2, 2);  // counts itself
    if (length < 2) return;
    f(marker, at + 4, length - 2);
    at += 2 + length;
  }
}

// stb_image 2.27, which is Debian's, writes past its tables for more than 256 codes (CVE-2021-37789). It reads on
// beyond a segment that is too short, and zeros beyond the file, so that is what is counted here.
void check_huffman_tables(Bytes bytes, size_t begin, size_t end, const std::string& name) {
  constexpr size_t kHead = 17, kMostCodes = 256;  // class and number, then how many codes there are of 1 ... 16 bits
  for (size_t at = begin; at < end;) {
    size_t codes = 0;
    for (size_t i = at + 1; i < std::min(at + kHead, bytes.size()); ++i) codes += big_endian(bytes, i, 1);
    if (codes > kMostCodes)
      file_error(name, "the JPEG file is damaged: the Huffman table at byte ", at, " has ", codes, " codes, more than ",
                 kMostCodes);
    at += kHead + codes;
  }
}

ImageHeader jpeg_header(Bytes bytes, const std::string& name) {
  ImageHeader header;
  bool before_scan = true;
  for_each_jpeg_segment(bytes, [&](uint32_t marker, size_t offset, size_t length) {
    const Bytes payload = bytes.subspan(offset, std::min(length, bytes.size() - offset));
    if (marker == kHuffmanTables) check_huffman_tables(bytes, offset, offset + length, name);
    before_scan &= marker != kStartOfScan;
    if (!before_scan) return;
    if (marker == kApp1 && starts_with(payload, kExifPrefix)) header.orientation = exif_orientation(payload);
    if (marker == kApp14 && starts_with(payload, "Adobe")) header.has_adobe_marker = true;
    if (is_start_of_frame(marker) && payload.size() >= 6) {  // precision, height, width, components
      header.height = big_endian(payload, 1, 2);
      header.width = big_endian(payload, 3, 2);
      header.components = static_cast<int>(big_endian(payload, 5, 1));
    }
  });
  return header;
}

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
      header.orientation = exif_orientation(std::as_bytes(std::span(block)));
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
  if (starts_with(bytes, "\xFF\xD8\xFF")) return jpeg_header(bytes, name);
  if (starts_with(bytes, kPngSignature)) return png_header(bytes, name);
  if (starts_with(bytes, "BM")) return bmp_header(bytes);
  file_error(name, bytes.empty() ? "the file is empty" : "not a JPEG, PNG or BMP file");
}

}  // namespace kindling::data
