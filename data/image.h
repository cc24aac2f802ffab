// Reading JPEG, PNG and BMP files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <kindling/tensor/tensor.h>

namespace kindling::data {

struct DecodeOptions {
  /// Larger images are refused before memory is allocated: a file of a few bytes can claim any
  /// size.
  int64_t max_pixels = 100'000'000;
};

/// The image as u8 [H,W,3], RGB, turned upright by EXIF's orientation. The format is recognised by
/// the first bytes, not by the name. Pixels of a JPEG are libjpeg-turbo's, and so Pillow's.
///
/// Grey becomes three equal channels. CMYK and YCCK JPEGs (inverted, as Adobe writes them) become
/// RGB = (1 - CMY)(1 - K), without colour profiles. Of 16 bits the upper 8 are kept, and
/// transparency is dropped.
///
/// Throws FileError, with the file's name, if the file cannot be read, has another format, or is
/// damaged, cut short or too large.
Tensor decode_image(const std::string& path, const DecodeOptions& options = {});
/// The same for a file's contents in memory; `name` stands for the path in messages.
Tensor decode_image(std::span<const std::byte> bytes, const std::string& name, const DecodeOptions& options = {});

}  // namespace kindling::data
