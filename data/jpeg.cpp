#include <kindling/data/jpeg.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>  // which goes by the macros of jpeglib.h

#include <kindling/data/files.h>
#include <kindling/data/image_header.h>

#ifndef LIBJPEG_TURBO_VERSION
#error "needs libjpeg-turbo: other versions of libjpeg give other pixels"
#endif

namespace kindling::data {
namespace {

using Bytes = std::span<const std::byte>;

constexpr int kMostScans = 100;  // progressive pictures have about ten; each takes time for every pixel

/// a b / 255, rounded.
uint8_t product(int a, int b) {
  const int t = a * b + 128;
  return static_cast<uint8_t>((t + (t >> 8)) >> 8);
}

/// What libjpeg warns of, though the pixels are the right ones.
bool is_harmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JFIF_MAJOR || warning == JWRN_ADOBE_XFORM;
}

/// libjpeg's decoder with its state. It reports errors by a jump to where it was called, so that no
/// exception passes through it.
class Decoder {
 public:
  Decoder(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {
    state_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr state) { std::longjmp(of(state).escape_, 1); };
    errors_.emit_message = [](j_common_ptr state, int level) {
      if (level < 0 && !is_harmless(state->err->msg_code)) state->err->error_exit(state);
    };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr state) {
      Decoder& self = of(state);
      self.has_too_many_scans_ = self.state_.input_scan_number > kMostScans;
      if (self.has_too_many_scans_) std::longjmp(self.escape_, 1);
    };
    state_.client_data = this;
    checked([this] { jpeg_create_decompress(&state_); });
    state_.progress = &progress_;
  }
  ~Decoder() { jpeg_destroy_decompress(&state_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  StoredImage decode(const DecodeOptions& options);

 private:
  static Decoder& of(j_common_ptr state) { return *static_cast<Decoder*>(state->client_data); }

  /// Calls call(), which calls libjpeg and makes no objects that a jump must not leave behind.
  template <class Call>
  void checked(Call call) {
    if (setjmp(escape_) != 0) fail();
    call();
  }
  [[noreturn]] void fail();
  void read_header(const DecodeOptions& options);
  int orientation() const;

  Bytes bytes_;
  const std::string& name_;
  jpeg_decompress_struct state_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_{};
  bool has_too_many_scans_ = false;
};

void Decoder::fail() {
  if (has_too_many_scans_) file_error(name_, "the image cannot be decoded: it has more than ", kMostScans, " scans");
  if (errors_.msg_code == JWRN_JPEG_EOF)
    file_error(name_, "the file is cut short: it ends at byte ", bytes_.size(), ", before the image does");
  char text[JMSG_LENGTH_MAX];
  errors_.format_message(reinterpret_cast<j_common_ptr>(&state_), text);
  const size_t left = state_.src == nullptr ? 0 : state_.src->bytes_in_buffer;
  file_error(name_, "the image cannot be decoded: ", text, ", near byte ", bytes_.size() - left);
}

void Decoder::read_header(const DecodeOptions& options) {
  checked([this] {
    jpeg_mem_src(&state_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&state_, JPEG_APP0 + 1, 0xFFFF);  // EXIF
    jpeg_read_header(&state_, TRUE);
  });
  check_pixels(name_, state_.image_width, state_.image_height, options.max_pixels);
  const int channels = state_.num_components;
  if (channels != 1 && channels != 3 && channels != 4)
    file_error(name_, "the image has ", channels, " channels; 1, 3 and 4 are read");
  state_.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
  state_.dct_method = JDCT_ISLOW;
}

int Decoder::orientation() const {
  int result = 1;
  for (const jpeg_marker_struct* marker = state_.marker_list; marker != nullptr; marker = marker->next)
    result = exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length))).value_or(result);
  return result;
}

StoredImage Decoder::decode(const DecodeOptions& options) {
  read_header(options);
  const int64_t height = state_.image_height, width = state_.image_width;
  StoredImage image{Tensor::empty({height, width, 3}, DType::u8), orientation()};
  uint8_t* out = image.pixels.data<uint8_t>();
  const bool is_cmyk = state_.num_components == 4;  // inverted, as Adobe writes it
  std::vector<uint8_t> row(static_cast<size_t>(is_cmyk ? 4 * width : 0));
  checked([this, &row, out, width, is_cmyk]() mutable {
    jpeg_start_decompress(&state_);
    while (state_.output_scanline < state_.output_height) {
      JSAMPROW target = is_cmyk ? row.data() : out;
      jpeg_read_scanlines(&state_, &target, 1);
      if (!is_cmyk) {
        out += 3 * width;
        continue;
      }
      for (const uint8_t* in = row.data(); in != row.data() + 4 * width; in += 4)
        for (int c = 0; c < 3; ++c) *out++ = product(in[c], in[3]);
    }
    jpeg_finish_decompress(&state_);  // reads on to the end of the image
  });
  return image;
}

}  // namespace

bool is_jpeg(Bytes bytes) { return bytes.size() >= 3 && std::memcmp(bytes.data(), "\xFF\xD8\xFF", 3) == 0; }

StoredImage decode_jpeg(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  return Decoder(bytes, name).decode(options);
}

}  // namespace kindling::data
