// What the image decoder leaves to others: sizes before decoding, EXIF, checksums. Not part of the public interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kindling::data {

/// What a file says of itself before its pixels. Sizes are 0 where it breaks off too early to say;
/// that, and all else which makes no sense, is left for the decoder to report.
struct ImageHeader {
  int64_t width = 0, height = 0;  ///< as stored, before `orientation`
  int orientation = 1;            ///< EXIF's, 1 to 8
  int components = 0;             ///< of a JPEG: 1 grey, 3 colour, 4 CMYK or YCCK
  bool has_adobe_marker = false;  ///< of a JPEG: says how its colours are coded
};

/// Throws FileError, with `name`, for another format than JPEG, PNG and BMP, and for a PNG with a
/// chunk that is cut short or whose checksum is wrong.
ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& name);

}  // namespace kindling::data
