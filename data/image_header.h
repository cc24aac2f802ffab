// What the image decoder leaves to others: EXIF, Adobe's marker, checksums. Not part of the public interface.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace kindling::data {

enum class ImageFormat { jpeg, png, bmp };

/// By the first bytes; none if they are of another format.
std::optional<ImageFormat> image_format(std::span<const std::byte> bytes);

struct JpegHeader {
  int orientation = 1;  ///< EXIF's, 1 to 8
  int components = 0;   ///< 1 grey, 3 colour, 4 CMYK or YCCK; 0 if the file ends or breaks off before it says
  bool has_adobe_marker = false;
};
/// Reads the markers up to the first scan, as far as they make sense; the decoder reports what does not.
JpegHeader read_jpeg_header(std::span<const std::byte> bytes);

/// Goes over all chunks of a PNG file and returns EXIF's orientation (1 where there is none). Throws FileError, with
/// `name` and the byte offset, for a chunk that is cut short or whose checksum is wrong.
int check_png(std::span<const std::byte> bytes, const std::string& name);

}  // namespace kindling::data
