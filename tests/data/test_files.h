// Files that the tests of data/ write and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <kindling/tensor/tensor.h>
#include <kindling/tests/support/temporary_folder.h>

namespace kindling::data {

using ByteVector = std::vector<std::byte>;

/// A folder to write images and the like into.
class TempFolder : public TemporaryFolder {
 public:
  std::filesystem::path path() const { return TemporaryFolder::path(); }
  /// Writes path()/name, making folders as needed, and returns its path.
  std::filesystem::path write(const std::string& name, const ByteVector& bytes) const;
  std::filesystem::path write(const std::string& name, const std::string& text) const;
};

ByteVector bytes_from_hex(const std::string& hex);
ByteVector gzip(const ByteVector& bytes);

/// One chunk of a PNG file, with its checksum.
ByteVector png_chunk(const std::string& type, const ByteVector& data);
struct PngOptions {
  int bits = 8;
  int color_type = 2;         ///< 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  ByteVector palette{};       ///< of color_type 3
  std::optional<int> exif{};  ///< orientation
};
/// A PNG of `rows`: for each row its bytes, without filter.
ByteVector make_png(int width, const std::vector<ByteVector>& rows, const PngOptions& options = {});
/// A PNG of u8 [H,W,3].
ByteVector make_png(const Tensor& image, const PngOptions& options = {});
/// A PNG whose header claims a size, with `data` in IDAT as it is.
ByteVector make_png_claiming(uint32_t width, uint32_t height, const ByteVector& data);

ByteVector make_jpeg(const Tensor& image, int quality = 95);
ByteVector make_bmp(const Tensor& image);
/// A JPEG of 16x8 pixels, of which the left 8 columns have the inverted C, M, Y, K (51, 204, 153,
/// 230) and the others (240, 100, 20, 255), encoded by libjpeg-turbo at quality 95.
ByteVector cmyk_jpeg();
/// `jpeg` with an EXIF block after its first marker, in the given byte order.
ByteVector with_exif(const ByteVector& jpeg, int orientation, bool big_endian);

/// u8 [H,W,3] of which every pixel is different (up to 65536 of them).
Tensor numbered_image(int64_t height, int64_t width);
/// u8 [H,W,3] as smooth as a photograph.
Tensor smooth_image(int64_t height, int64_t width);

/// FNV-1a of the elements' bytes.
uint64_t fingerprint(const Tensor& image);

}  // namespace kindling::data
