// Reading JPEG, PNG and BMP files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include <kindling/tensor/tensor.h>

namespace kindling::data {

struct DecodeOptions {
  /// Larger images are refused before any memory is taken for them: a file of a few bytes can claim
  /// any size.
  int64_t max_pixels = 100'000'000;
};

/// The image as u8 [H,W,3], RGB, upright: EXIF's orientation is applied. Grey becomes three equal
/// channels; CMYK and YCCK (JPEG; in Adobe's inverted form, as practically all are) become RGB =
/// (1 - CMY)(1 - K), without colour profiles; of 16 bits the upper 8 are kept; transparency is
/// dropped. The format is told by the file's first bytes, not by its name. Throws FileError,
/// naming the file, if it cannot be read, is of another format, damaged, cut short or too large.
Tensor decode_image(const std::filesystem::path& path, const DecodeOptions& options = {});
/// The same for a file's contents in memory; `name` stands for the path in messages.
Tensor decode_image(std::span<const std::byte> bytes, const std::string& name, const DecodeOptions& options = {});

}  // namespace kindling::data
