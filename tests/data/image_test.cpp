#include <kindling/data/image.h>

#include <catch2/catch.hpp>

#include <kindling/tests/support/shared_data.h>
#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Contains;
using Catch::Matchers::Message;

namespace {

ByteVector bytes(std::initializer_list<int> values) {
  ByteVector result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

Tensor decode(const ByteVector& file, const DecodeOptions& options = {}) {
  return decode_image(file, "photo", options);
}

std::vector<int> pixel(const Tensor& image, int64_t y, int64_t x) {
  return {image.at<uint8_t>({y, x, 0}), image.at<uint8_t>({y, x, 1}), image.at<uint8_t>({y, x, 2})};
}

int largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.to_vector<uint8_t>(), y = b.to_vector<uint8_t>();
  int largest = 0;
  for (size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(int{x[i]} - int{y[i]}));
  return largest;
}

// What a camera stores for the upright image `upright`: EXIF 2.32 names, for each value, the side of the scene that is
// the stored row 0 and the one that is the stored column 0.
Tensor stored_as(const Tensor& upright, int orientation) {
  const int64_t height = upright.size(0), width = upright.size(1);
  const bool quarter = orientation >= 5;
  Tensor stored = Tensor::empty(quarter ? Shape{width, height, 3} : upright.shape(), DType::u8);
  for (int64_t row = 0; row < stored.size(0); ++row)
    for (int64_t column = 0; column < stored.size(1); ++column) {
      int64_t y = 0, x = 0;
      switch (orientation) {
        case 1:
          y = row, x = column;
          break;  // top, left
        case 2:
          y = row, x = width - 1 - column;
          break;  // top, right
        case 3:
          y = height - 1 - row, x = width - 1 - column;
          break;  // bottom, right
        case 4:
          y = height - 1 - row, x = column;
          break;  // bottom, left
        case 5:
          x = row, y = column;
          break;  // left, top
        case 6:
          x = width - 1 - row, y = column;
          break;  // right, top
        case 7:
          x = width - 1 - row, y = height - 1 - column;
          break;  // right, bottom
        case 8:
          x = row, y = height - 1 - column;
          break;  // left, bottom
      }
      for (int64_t c = 0; c < 3; ++c) stored.at<uint8_t>({row, column, c}) = upright.at<uint8_t>({y, x, c});
    }
  return stored;
}

// As cmyk_jpeg(), in YCCK.
const ByteVector kYcck = bytes_from_hex(
    "ffd8ffee000e41646f626500640000000002ffdb00430002010101010102010101020202020204030202020205040403040605060606050606"
    "06"
    "070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affdb004301020202020202050303050a0706070a0a0a0a0a0a0a0a0a"
    "0a"
    "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0affc0001408000800100401110002110103"
    "1101"
    "041100ffc4001500010100000000000000000000000000000709ffc40014100100000000000000000000000000000000ffc400160101010100"
    "00"
    "000000000000000000000009000affc40014110100000000000000000000000000000000ffda000e040100021103110400003f001b44816609"
    "84"
    "019ab323ffd9");

/// Up to its first scan, a JPEG of 8 x 8 pixels whose only Huffman codes say that there is nothing.
ByteVector jpeg_before_scans(int start_of_frame, int channels) {
  ByteVector file = bytes({0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0});  // a quantisation table of ones
  file.insert(file.end(), 64, std::byte{1});
  for (const int value : {0xFF, start_of_frame, 0, 8 + 3 * channels, 8, 0, 8, 0, 8, channels})
    file.push_back(static_cast<std::byte>(value));
  for (int channel = 1; channel <= channels; ++channel)
    for (const int value : {channel, 0x11, 0}) file.push_back(static_cast<std::byte>(value));
  for (const int table : {0x00, 0x10}) {  // DC and AC: one code of 1 bit, for 0
    for (const int value : {0xFF, 0xC4, 0, 20, table, 1}) file.push_back(static_cast<std::byte>(value));
    file.insert(file.end(), 16, std::byte{0});
  }
  return file;
}

/// A grey picture, of which each coefficient but the first comes bit by bit, all of them 0.
ByteVector progressive_jpeg(int bits) {
  ByteVector file = jpeg_before_scans(0xC2, 1);
  const auto add_scan = [&](int coefficient, int high, int low) {
    for (const int value : {0xFF, 0xDA, 0, 8, 1, 1, 0, coefficient, coefficient, high << 4 | low, 0x7F})
      file.push_back(static_cast<std::byte>(value));
  };
  add_scan(0, 0, 0);
  for (int coefficient = 1; coefficient < 64; ++coefficient) {
    add_scan(coefficient, 0, bits - 1);
    for (int bit = bits - 1; bit > 0; --bit) add_scan(coefficient, bit, bit - 1);
  }
  file.push_back(std::byte{0xFF});
  file.push_back(std::byte{0xD9});
  return file;
}

}  // namespace

TEST_CASE("decode_image: PNG and BMP give the exact pixels") {
  const Tensor image = numbered_image(19, 23);
  CHECK(bitwise_equal(decode(make_png(image)), image));
  CHECK(bitwise_equal(decode(make_bmp(image)), image));
  const Tensor one = numbered_image(1, 1);
  CHECK(bitwise_equal(decode(make_png(one)), one));
  CHECK(bitwise_equal(decode(make_bmp(one)), one));
}

TEST_CASE("decode_image: a BMP whose rows go down") {
  const Tensor image = numbered_image(5, 3);
  ByteVector up = make_bmp(stored_as(image, 4));  // mirrored, so that its rows in the file are those of `image`
  up[22] = std::byte{0xFB}, up[23] = up[24] = up[25] = std::byte{0xFF};  // height -5
  CHECK(bitwise_equal(decode(up), image));
}

TEST_CASE("decode_image: JPEG is close to what was encoded") {
  const Tensor image = smooth_image(40, 56);
  CHECK(largest_difference(decode(make_jpeg(image)), image) <= 12);  // quality 95 with halved chroma
}

TEST_CASE("decode_image: grey becomes three equal channels") {
  const ByteVector png = make_png(2, {bytes({0, 100}), bytes({200, 255})}, {.color_type = 0});
  CHECK(decode(png).to_vector<int64_t>() == std::vector<int64_t>{0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255});
  Tensor grey = Tensor::full({8, 8, 1}, 77, DType::u8);
  CHECK(pixel(decode(make_jpeg(grey)), 3, 3) == std::vector<int>{77, 77, 77});
}

TEST_CASE("decode_image: transparency is dropped, palettes are looked up, 16 bits cut to 8") {
  const ByteVector rgba = make_png(2, {bytes({10, 20, 30, 0, 40, 50, 60, 255})}, {.color_type = 6});
  CHECK(decode(rgba).to_vector<int64_t>() == std::vector<int64_t>{10, 20, 30, 40, 50, 60});
  const ByteVector grey_alpha = make_png(2, {bytes({10, 128, 40, 0})}, {.color_type = 4});
  CHECK(decode(grey_alpha).to_vector<int64_t>() == std::vector<int64_t>{10, 10, 10, 40, 40, 40});
  const ByteVector palette = make_png(2, {bytes({1, 0})}, {.color_type = 3, .palette = bytes({1, 2, 3, 4, 5, 6})});
  CHECK(decode(palette).to_vector<int64_t>() == std::vector<int64_t>{4, 5, 6, 1, 2, 3});
  const ByteVector deep = make_png(1, {bytes({0x12, 0xFF, 0x80, 0x00, 0xFF, 0x01})}, {.bits = 16});
  CHECK(decode(deep).to_vector<int64_t>() == std::vector<int64_t>{0x12, 0x80, 0xFF});
}

TEST_CASE("decode_image: EXIF's eight orientations") {
  const Tensor upright = numbered_image(3, 5);
  const Tensor photograph = smooth_image(16, 32);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO("orientation " << orientation);
    CHECK(bitwise_equal(decode(make_png(stored_as(upright, orientation), {.exif = orientation})), upright));
    const ByteVector jpeg = make_jpeg(stored_as(photograph, orientation));
    for (const bool big_endian : {true, false})
      CHECK(largest_difference(decode(with_exif(jpeg, orientation, big_endian)), photograph) <= 12);
  }
}

TEST_CASE("decode_image: a damaged EXIF block is passed over") {
  const Tensor photograph = smooth_image(16, 32);
  const ByteVector jpeg = make_jpeg(photograph);
  for (const int orientation : {0, 9}) CHECK(decode(with_exif(jpeg, orientation, true)).shape() == photograph.shape());
  ByteVector damaged = with_exif(jpeg, 6, true);
  damaged[13] = std::byte{'?'};  // the TIFF structure's byte order
  CHECK(decode(damaged).shape() == photograph.shape());
}

TEST_CASE("decode_image: CMYK and YCCK become RGB = (1 - CMY)(1 - K)") {
  ByteVector unmarked = cmyk_jpeg();
  unmarked.erase(unmarked.begin() + 2, unmarked.begin() + 18);  // Adobe's marker
  for (const ByteVector& file : {cmyk_jpeg(), kYcck, unmarked}) {
    const Tensor image = decode(file);
    CHECK(image.shape() == Shape{8, 16, 3});
    const std::vector<int> left = pixel(image, 3, 2), right = pixel(image, 6, 13);
    const std::vector<int> left_expected{51 * 230 / 255, 204 * 230 / 255, 153 * 230 / 255},
        right_expected{240, 100, 20};
    for (size_t c = 0; c < 3; ++c) {
      CHECK(std::abs(left[c] - left_expected[c]) <= 2);  // JPEG's rounding
      CHECK(std::abs(right[c] - right_expected[c]) <= 2);
    }
  }
}

TEST_CASE("decode_image: a file that is cut short anywhere is refused") {
  const Tensor image = smooth_image(24, 40);
  for (const ByteVector& whole : {make_jpeg(image), make_png(image), make_bmp(image), cmyk_jpeg(), kYcck}) {
    REQUIRE_NOTHROW(decode(whole));
    const size_t step = std::max<size_t>(1, whole.size() / 200);
    for (size_t size = 0; size < whole.size(); size += step) {
      INFO("cut to " << size << " of " << whole.size() << " bytes");
      CHECK_THROWS_AS(decode(ByteVector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), FileError);
    }
    CHECK_THROWS_AS(decode(ByteVector(whole.begin(), whole.end() - 1)), FileError);
  }
}

TEST_CASE("decode_image: a JPEG without its end says where the file ends") {
  const ByteVector whole = make_jpeg(smooth_image(64, 64));
  const ByteVector cut(whole.begin(), whole.begin() + 1200);
  CHECK_THROWS_MATCHES(decode(cut), FileError,
                       Message("photo: the file is cut short: it ends at byte 1200, before the image does"));
}

TEST_CASE("decode_image: a damaged PNG names the chunk") {
  ByteVector png = make_png(numbered_image(4, 4));
  png[45] ^= std::byte{1};  // in IDAT, the second chunk, which begins at byte 33
  CHECK_THROWS_MATCHES(decode(png), FileError,
                       Message("photo: the PNG file is damaged: wrong checksum of the chunk at byte 33"));
  png.resize(60);
  CHECK_THROWS_MATCHES(
      decode(png), FileError,
      Message("photo: the PNG file is cut short: it has 60 bytes, and the chunk at byte 33 needs more"));
}

TEST_CASE("decode_image: a JPEG with more Huffman codes than there are is refused, wherever the table stands") {
  const ByteVector whole = make_jpeg(smooth_image(24, 40));
  const auto pattern = std::vector{std::byte{0xFF}, std::byte{0xC4}};
  const auto first = std::search(whole.begin(), whole.end(), pattern.begin(), pattern.end());
  REQUIRE(first != whole.end());
  ByteVector file = whole;
  const auto counts = static_cast<size_t>(first - whole.begin()) + 5;
  file[counts + 14] = file[counts + 15] = std::byte{0xFF};
  CHECK_THROWS_WITH(decode(file), Contains("photo: the image cannot be decoded: Bogus Huffman table definition"));
  // Between the compressed data and the end of the image.
  file = whole;
  ByteVector late(21, std::byte{0xFF});
  late[1] = std::byte{0xC4}, late[2] = std::byte{0}, late[3] = std::byte{19};
  file.insert(file.end() - 2, late.begin(), late.end());
  CHECK_THROWS_WITH(decode(file), Contains("Bogus Huffman table definition"));
  // What follows the end is not the image's.
  file = whole;
  file.insert(file.end(), late.begin(), late.end());
  CHECK(bitwise_equal(decode(file), decode(whole)));
}

TEST_CASE("decode_image: a Huffman table that a JPEG lacks is named") {
  ByteVector file = make_jpeg(smooth_image(16, 16));
  for (size_t at = 0; at + 10 < file.size(); ++at)
    if (file[at] == std::byte{0xFF} && file[at + 1] == std::byte{0xDA})  // the scan: each component's tables
      for (const size_t table : {at + 6, at + 8, at + 10}) file[table] = std::byte{0x33};
  CHECK_THROWS_WITH(decode(file), Contains("Huffman table 0x03 was not defined, near byte "));
}

TEST_CASE("decode_image: damage in a JPEG's pixels is refused, bytes behind them are not") {
  const ByteVector whole = make_jpeg(smooth_image(64, 64));
  ByteVector file = whole;
  file.erase(file.end() - 40, file.end() - 10);
  CHECK_THROWS_WITH(decode(file), Contains("premature end of data segment, near byte "));
  file = whole;
  file.insert(file.end() - 2, 5, std::byte{0});
  CHECK(bitwise_equal(decode(file), decode(whole)));
}

TEST_CASE("decode_image: a JPEG of more scans than an honest one has is refused") {
  const ByteVector some = progressive_jpeg(1), many = progressive_jpeg(2);  // 64 scans, and 127
  CHECK(decode(some).to_vector<int64_t>() == std::vector<int64_t>(8 * 8 * 3, 128));
  CHECK_THROWS_MATCHES(decode(many), FileError,
                       Message("photo: the image cannot be decoded: it has more than 100 scans"));
}

TEST_CASE("decode_image: a JPEG of two channels is refused") {
  ByteVector file = jpeg_before_scans(0xC0, 2);
  for (const int value : {0xFF, 0xDA, 0, 10, 2, 1, 0, 2, 0, 0, 63, 0}) file.push_back(static_cast<std::byte>(value));
  CHECK_THROWS_MATCHES(decode(file), FileError, Message("photo: the image has 2 channels; 1, 3 and 4 are read"));
}

TEST_CASE("decode_image: flipped bytes give an image or FileError, never a crash") {
  const Tensor image = smooth_image(24, 40);
  const uint64_t seed = 7;
  Rng rng(seed);
  int refused = 0;
  for (const ByteVector& whole :
       {make_jpeg(image), make_png(image), make_bmp(image), with_exif(make_jpeg(image), 6, true)})
    for (int trial = 0; trial < 200; ++trial) {
      INFO("seed " << seed << ", trial " << trial);
      ByteVector file = whole;
      for (int flips = 0; flips < 3; ++flips) {
        const auto at = static_cast<size_t>(rng.next_below(static_cast<int64_t>(std::min<size_t>(file.size(), 700))));
        file[at] = static_cast<std::byte>(rng.next_below(256));
      }
      Tensor decoded;
      try {
        decoded = decode(file, {.max_pixels = 1 << 20});
      } catch (const FileError&) {
        ++refused;
        continue;
      }
      CHECK(decoded.size(2) == 3);
    }
  CHECK(refused > 200);  // all PNGs, at least
}

TEST_CASE("decode_image: sizes above the cap are refused from the header alone") {
  const ByteVector bomb = make_png_claiming(60000, 60000, bytes({0}));
  CHECK_THROWS_MATCHES(
      decode(bomb), FileError,
      Message("photo: the image has 60000 x 60000 pixels; at most 100000000 are accepted (max_pixels)"));
  ByteVector jpeg = make_jpeg(Tensor::full({8, 8, 1}, 77, DType::u8));
  const auto frame = std::find(jpeg.begin(), jpeg.end(), std::byte{0xC0});  // its length, the precision, the size
  std::fill(frame + 4, frame + 8, std::byte{0xF0});
  CHECK_THROWS_MATCHES(
      decode(jpeg), FileError,
      Message("photo: the image has 61680 x 61680 pixels; at most 100000000 are accepted (max_pixels)"));
  const ByteVector small = make_png(numbered_image(10, 10));
  CHECK_NOTHROW(decode(small, {.max_pixels = 100}));
  CHECK_THROWS_MATCHES(decode(small, {.max_pixels = 99}), FileError,
                       Message("photo: the image has 10 x 10 pixels; at most 99 are accepted (max_pixels)"));
}

TEST_CASE("decode_image: a small image that unpacks to very much more is refused") {
  const ByteVector bomb = make_png_claiming(1, 1, ByteVector(size_t{64} << 20));
  CHECK(bomb.size() < 100'000);
  CHECK_THROWS_AS(decode(bomb), FileError);
}

TEST_CASE("decode_image: other files") {
  const TempFolder folder;
  const std::string text = folder.write("text.jpg", std::string("not an image")).string();
  const std::string empty = folder.write("empty.jpg", std::string()).string();
  const std::string absent = (folder.path() / "absent.jpg").string();
  const std::string root = folder.path().string();
  CHECK_THROWS_MATCHES(decode_image(text), FileError, Message(text + ": not a JPEG, PNG or BMP file"));
  CHECK_THROWS_MATCHES(decode_image(empty), FileError, Message(empty + ": the file is empty"));
  CHECK_THROWS_MATCHES(decode_image(absent), FileError,
                       Message(absent + ": cannot be opened: No such file or directory"));
  CHECK_THROWS_MATCHES(decode_image(root), FileError, Message(root + ": is a folder, not a file"));
  const std::string png = folder.write("wrong-name.jpg", make_png(numbered_image(2, 2))).string();
  CHECK(bitwise_equal(decode_image(png), numbered_image(2, 2)));
}

TEST_CASE("decode_image: real photographs have the pixels of libjpeg-turbo, bit for bit") {
  const auto photos = shared_data("imagenet_sample");
  if (!photos) return;
  const Tensor tench = decode_image(*photos / "n01440764" / "n01440764_tench.JPEG");
  CHECK(tench.shape() == Shape{375, 500, 3});
  CHECK(fingerprint(tench) == 0xeabc0b5a98da2fd3);  // Pillow 13.0's, with libjpeg-turbo 3.2
  const Tensor grey = decode_image(*photos / "n03908714" / "n03908714_pencil_sharpener.JPEG");
  CHECK(grey.shape() == Shape{500, 333, 3});
  CHECK(fingerprint(grey) == 0x13c510b53ccdb48a);
  CHECK(bitwise_equal(grey.select(2, 0).contiguous(), grey.select(2, 2).contiguous()));
}
