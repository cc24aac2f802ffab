// What image decoders leave to others: sizes before decoding, EXIF, checksums. Not part of the public interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace kindling::data {

/// What a PNG or BMP file says before its pixels. Sizes are 0 if the file ends too early. The
/// decoder reports this, and everything else that makes no sense.
struct ImageHeader {
  int64_t width = 0, height = 0;  ///< as stored, before `orientation`
  int orientation = 1;            ///< EXIF's, 1 to 8
};

/// Throws FileError, with `name`, for other formats, and for a PNG with a chunk that is cut short
/// or has a wrong checksum.
ImageHeader read_image_header(std::span<const std::byte> bytes, const std::string& name);

/// The orientation, 1 to 8, that an EXIF block tells: "Exif", two zeros, and a TIFF structure.
/// Nothing if it tells none, is damaged, or is no EXIF: the picture itself may be whole.
std::optional<int> exif_orientation(std::span<const std::byte> block);

/// Throws FileError, with `name`, if there are more than `most` pixels.
void check_pixels(const std::string& name, int64_t width, int64_t height, int64_t most);

}  // namespace kindling::data
