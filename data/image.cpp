#include <kindling/data/image.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <kindling/data/files.h>
#include <kindling/data/image_header.h>
#include <kindling/data/jpeg.h>

// stb_image asks for its memory here, so that a hostile file cannot make it take more than its header justifies.
namespace {
thread_local size_t largest_block = 0;
void* allocate_block(size_t bytes) { return bytes <= largest_block ? std::malloc(bytes) : nullptr; }
void* reallocate_block(void* block, size_t bytes) {
  return bytes <= largest_block ? std::realloc(block, bytes) : nullptr;
}
}  // namespace

// Static, so that a program with its own copy of stb_image links without a clash.
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MALLOC allocate_block
#define STBI_REALLOC reallocate_block
#define STBI_FREE std::free
#include <stb/stb_image.h>

namespace kindling::data {
namespace {

using Bytes = std::span<const std::byte>;

// Feeds stb_image and notes whether it wanted bytes after the last one: it takes those for zeros and would give half a
// picture for a file that is cut short.
struct Source {
  Bytes bytes;
  size_t position = 0;
  bool ran_out = false;

  static int read(void* self, char* target, int size) {
    auto& source = *static_cast<Source*>(self);
    const size_t count = std::min(static_cast<size_t>(size), source.bytes.size() - source.position);
    source.ran_out |= count == 0;
    std::memcpy(target, source.bytes.data() + source.position, count);
    source.position += count;
    return static_cast<int>(count);
  }
  static void skip(void* self, int count) {
    auto& source = *static_cast<Source*>(self);
    source.position = std::min(source.position + static_cast<size_t>(count), source.bytes.size());
  }
  static int at_end(void* self) {
    const auto& source = *static_cast<Source*>(self);
    return source.position == source.bytes.size();
  }
};
constexpr stbi_io_callbacks kSourceCallbacks{Source::read, Source::skip, Source::at_end};

[[noreturn]] void throw_damaged(const std::string& name, const Source& source) {
  if (source.ran_out)
    file_error(name, "the file is cut short: it ends at byte ", source.bytes.size(), ", before the image does");
  file_error(name, "the image cannot be decoded: ", stbi_failure_reason(), ", near byte ", source.position);
}

// Where out(y, x) comes from in the stored image. EXIF 2.32, tag 0x0112; "rotated" as people say it: 6 needs a quarter
// turn clockwise.
struct Layout {
  bool transposed, flip_rows, flip_columns;  // flips are of the stored rows and columns
};
constexpr Layout kLayouts[8] = {{false, false, false}, {false, false, true}, {false, true, true}, {false, true, false},
                                {true, false, false},  {true, true, false},  {true, true, true},  {true, false, true}};

Tensor upright(const StoredImage& stored) {
  if (stored.orientation == 1) return stored.pixels;
  const int64_t height = stored.pixels.size(0), width = stored.pixels.size(1);
  const uint8_t* pixels = stored.pixels.data<uint8_t>();
  const Layout layout = kLayouts[stored.orientation - 1];
  Tensor image = Tensor::empty(layout.transposed ? Shape{width, height, 3} : Shape{height, width, 3}, DType::u8);
  auto* out = image.data<uint8_t>();
  const int64_t row_step = (layout.flip_rows ? -3 : 3) * width, column_step = layout.flip_columns ? -3 : 3;
  const uint8_t* origin =
      pixels + (layout.flip_rows ? height - 1 : 0) * width * 3 + (layout.flip_columns ? width - 1 : 0) * 3;
  const int64_t y_step = layout.transposed ? column_step : row_step;
  const int64_t x_step = layout.transposed ? row_step : column_step;
  for (int64_t y = 0; y < image.size(0); ++y)
    for (int64_t x = 0; x < image.size(1); ++x, out += 3) std::memcpy(out, origin + y * y_step + x * x_step, 3);
  return image;
}

StoredImage decode_png_or_bmp(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const ImageHeader header = read_image_header(bytes, name);
  check_pixels(name, header.width, header.height, options.max_pixels);
  // 16 bytes a pixel cover stb_image's buffers for any depth and layout.
  largest_block =
      (size_t{1} << 20) + 2 * bytes.size() + 16 * static_cast<size_t>((header.width + 1) * (header.height + 1));
  Source source{bytes};
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&std::free)> pixels(
      stbi_load_from_callbacks(&kSourceCallbacks, &source, &width, &height, &channels, STBI_rgb), std::free);
  if (pixels == nullptr || source.ran_out) throw_damaged(name, source);
  StoredImage image{Tensor::empty({height, width, 3}, DType::u8), header.orientation};
  std::memcpy(image.pixels.data<uint8_t>(), pixels.get(), static_cast<size_t>(image.pixels.numel()));
  return image;
}

}  // namespace

Tensor decode_image(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  return upright(is_jpeg(bytes) ? decode_jpeg(bytes, name, options) : decode_png_or_bmp(bytes, name, options));
}

Tensor decode_image(const std::string& path, const DecodeOptions& options) {
  return decode_image(read_file(path), path, options);
}

}  // namespace kindling::data
