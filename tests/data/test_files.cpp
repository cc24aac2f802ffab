#include "test_files.h"

#include <cstdlib>
#include <cstring>
#include <fstream>

#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

void append(ByteVector& to, const ByteVector& from) { to.insert(to.end(), from.begin(), from.end()); }

void append(ByteVector& to, std::string_view text) {
  for (const char c : text) to.push_back(static_cast<std::byte>(c));
}

void append_u32(ByteVector& to, uint64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::byte>(value >> shift));
}

ByteVector deflated(const ByteVector& bytes) {
  uLongf size = compressBound(bytes.size());
  ByteVector result(size);
  REQUIRE(compress(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                   bytes.size()) == Z_OK);
  result.resize(size);
  return result;
}

ByteVector png_header(uint64_t width, uint64_t height, int bits, int color_type) {
  ByteVector header;
  append_u32(header, width);
  append_u32(header, height);
  for (const int value : {bits, color_type, 0, 0, 0}) header.push_back(static_cast<std::byte>(value));
  return header;
}

const std::string kPngSignature("\x89PNG\r\n\x1a\n", 8);

// A TIFF structure with the one tag 0x0112, a SHORT.
ByteVector exif_tiff(int orientation, bool big_endian) {
  const std::string big("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0?\0\0\0\0\0\0", 26);
  const std::string little("II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0?\0\0\0\0\0\0\0", 26);
  std::string tiff = big_endian ? big : little;
  tiff[tiff.find('?')] = static_cast<char>(orientation);
  ByteVector bytes;
  append(bytes, tiff);
  return bytes;
}

void append_chunk(void* to, void* data, int size) {
  const auto* first = static_cast<const std::byte*>(data);
  static_cast<ByteVector*>(to)->insert(static_cast<ByteVector*>(to)->end(), first, first + size);
}

}  // namespace

fs::path TempFolder::write(const std::string& name, const ByteVector& bytes) const {
  fs::create_directories((path() / name).parent_path());
  std::ofstream out(path() / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  REQUIRE(out);
  return path() / name;
}

fs::path TempFolder::write(const std::string& name, const std::string& text) const {
  ByteVector bytes;
  append(bytes, text);
  return write(name, bytes);
}

ByteVector bytes_from_hex(const std::string& hex) {
  ByteVector bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

ByteVector gzip(const ByteVector& bytes) {
  const TempFolder folder;
  const std::string path = (folder.path() / "x.gz").string();
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
  REQUIRE(gzclose(file) == Z_OK);
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ByteVector result;
  append(result, text);
  return result;
}

ByteVector png_chunk(const std::string& type, const ByteVector& data) {
  ByteVector chunk;
  append_u32(chunk, data.size());
  append(chunk, type);
  append(chunk, data);
  append_u32(chunk, crc32(0, reinterpret_cast<const Bytef*>(chunk.data()) + 4, static_cast<uInt>(data.size() + 4)));
  return chunk;
}

ByteVector make_png(int width, const std::vector<ByteVector>& rows, const PngOptions& options) {
  ByteVector pixels;
  for (const ByteVector& row : rows) {
    pixels.push_back(std::byte{0});  // no filter
    append(pixels, row);
  }
  ByteVector png;
  append(png, kPngSignature);
  append(png,
         png_chunk("IHDR", png_header(static_cast<uint64_t>(width), rows.size(), options.bits, options.color_type)));
  if (options.exif) append(png, png_chunk("eXIf", exif_tiff(*options.exif, true)));
  if (!options.palette.empty()) append(png, png_chunk("PLTE", options.palette));
  append(png, png_chunk("IDAT", deflated(pixels)));
  append(png, png_chunk("IEND", {}));
  return png;
}

ByteVector make_png(const Tensor& image, const PngOptions& options) {
  const auto row_size = static_cast<size_t>(image.size(1) * image.size(2));
  const auto* first = reinterpret_cast<const std::byte*>(image.data<uint8_t>());
  std::vector<ByteVector> rows;
  for (int64_t y = 0; y < image.size(0); ++y, first += row_size) rows.emplace_back(first, first + row_size);
  return make_png(static_cast<int>(image.size(1)), rows, options);
}

ByteVector make_png_claiming(uint32_t width, uint32_t height, const ByteVector& data) {
  ByteVector png;
  append(png, kPngSignature);
  append(png, png_chunk("IHDR", png_header(width, height, 8, 2)));
  append(png, png_chunk("IDAT", deflated(data)));
  append(png, png_chunk("IEND", {}));
  return png;
}

ByteVector make_jpeg(const Tensor& image, int quality) {
  ByteVector jpeg;
  REQUIRE(stbi_write_jpg_to_func(append_chunk, &jpeg, static_cast<int>(image.size(1)), static_cast<int>(image.size(0)),
                                 static_cast<int>(image.size(2)), image.data<uint8_t>(), quality) != 0);
  return jpeg;
}

ByteVector make_bmp(const Tensor& image) {
  ByteVector bmp;
  REQUIRE(stbi_write_bmp_to_func(append_chunk, &bmp, static_cast<int>(image.size(1)), static_cast<int>(image.size(0)),
                                 static_cast<int>(image.size(2)), image.data<uint8_t>()) != 0);
  return bmp;
}

ByteVector with_exif(const ByteVector& jpeg, int orientation, bool big_endian) {
  ByteVector result(jpeg.begin(), jpeg.begin() + 2);
  const ByteVector tiff = exif_tiff(orientation, big_endian);
  append(result, std::string("\xFF\xE1\0", 3));
  result.push_back(static_cast<std::byte>(2 + 6 + tiff.size()));
  append(result, std::string("Exif\0\0", 6));
  append(result, tiff);
  result.insert(result.end(), jpeg.begin() + 2, jpeg.end());
  return result;
}

Tensor numbered_image(int64_t height, int64_t width) {
  Tensor image = Tensor::empty({height, width, 3}, DType::u8);
  auto* pixel = image.data<uint8_t>();
  for (int64_t i = 0; i < height * width; ++i, pixel += 3) {
    pixel[0] = static_cast<uint8_t>(i % 256);
    pixel[1] = static_cast<uint8_t>(i / 256);
    pixel[2] = static_cast<uint8_t>(i * 77 % 256);
  }
  return image;
}

Tensor smooth_image(int64_t height, int64_t width) {
  Tensor image = Tensor::empty({height, width, 3}, DType::u8);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      image.at<uint8_t>({y, x, 0}) = static_cast<uint8_t>(20 + 200 * y / height);
      image.at<uint8_t>({y, x, 1}) = static_cast<uint8_t>(230 - 200 * x / width);
      image.at<uint8_t>({y, x, 2}) = static_cast<uint8_t>(40 + 90 * y / height + 90 * x / width);
    }
  return image;
}

uint64_t fingerprint(const Tensor& image) {
  const Tensor x = image.contiguous();
  const auto* bytes = reinterpret_cast<const unsigned char*>(x.storage()->data()) + x.offset() * size_of(x.dtype());
  uint64_t hash = 14695981039346656037u;
  for (int64_t i = 0; i < x.numel() * size_of(x.dtype()); ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

ByteVector cmyk_jpeg() {
  return bytes_from_hex(
      "ffd8ffee000e41646f626500640000000000ffdb004300020101010101020101010202020202040302020202050404030406"
      "0506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc00014080008001004431100"
      "4d11005911004b1100ffc40016000101010000000000000000000000000009070affc4001410010000000000000000000000"
      "0000000000ffda000e0443004d0059004b00003f0032c982c8661af40becf5ac8fffd9");
}

}  // namespace kindling::data
