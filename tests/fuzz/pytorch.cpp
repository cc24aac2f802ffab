// If the bytes are no file of either form, they are parts of one, since the checksums of an archive would refuse nearly
// every change:
//   u8       bit 0: whether the entries are deflated; bit 1: whether numbers are big-endian
//   u16      length of the pickle
//   pickle, then the contents of storage 0
#include <kindling/io/pytorch.h>
#include <kindling/tests/fuzz/fuzz.h>
#include <kindling/tests/io/pickles.h>

namespace kindling::fuzz {
namespace {

std::string archive_of(std::string_view bytes) {
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0U; };
  const bool deflate = (byte(0) & 1) != 0, big_endian = (byte(0) & 2) != 0;
  const std::string_view rest = bytes.substr(std::min<size_t>(bytes.size(), 3));
  const size_t length = std::min<size_t>(byte(1) + 256 * byte(2), rest.size());
  return testing::zip({{.name = "x/data.pkl", .contents = std::string(rest.substr(0, length)), .deflate = deflate},
                       {.name = "x/byteorder", .contents = big_endian ? "big" : "little"},
                       {.name = "x/data/0", .contents = std::string(rest.substr(length)), .deflate = deflate}});
}

}  // namespace

bool pytorch(std::string_view bytes) {
  const bool is_file = bytes.starts_with("PK") || bytes.starts_with('\x80');
  const std::string file = is_file ? std::string(bytes) : archive_of(bytes);
  return accepts([&] { read_pytorch(path_of(file)); });
}

}  // namespace kindling::fuzz
