// What the image decoder leaves to others: sizes before decoding, EXIF, checksums. Not part of the public interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kindling::data {

/// What an image file says before its pixels. Sizes are 0 if the file ends too early. The decoder
/// reports this, and everything else that makes no sense.
struct ImageHeader {
  int64_t width = 0, height = 0;  ///< as stored, before `orientation`
  int orientation = 1;            ///< EXIF's, 1 to 8
  int components = 0;             ///< of a JPEG: 1 grey, 3 colour, 4 CMYK or YCCK
  bool has_adobe_marker = false;  ///< of a JPEG: says how its colours are coded
};

/// Throws FileError, with `name`, for other formats than JPEG, PNG and BMP, and for a PNG with a
/// chunk that is cut short or has a wrong checksum.
ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& name);

}  // namespace kindling::data
