// Decoding JPEG files, by libjpeg-turbo. Not part of the public interface.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <kindling/data/image.h>

namespace kindling::data {

/// A picture as a file stores it.
struct StoredImage {
  Tensor pixels;        ///< u8 [H,W,3], RGB
  int orientation = 1;  ///< EXIF's, 1 to 8
};

bool is_jpeg(std::span<const std::byte> bytes);

/// Throws FileError, with `name`, if the file is damaged, cut short or too large, or has more scans
/// than any honest picture. Of damage that leaves the pixels as they are, nothing is said.
StoredImage decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const DecodeOptions& options);

}  // namespace kindling::data
