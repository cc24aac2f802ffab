// A file has 40 KB, nearly all of which may be anything. So the bytes are those that matter:
//   u8       the only layer that has entries; u8: what is added to their number in the file
//   u8       the first byte of the codebooks
//   codes, then gaps: two thirds and one third of the other bytes
#include <kindling/io/deep_compression.h>
#include <kindling/tests/fuzz/fuzz.h>
#include <kindling/tests/io/pickles.h>

namespace kindling::fuzz {
namespace {

using testing::raw;

// Output channels of the 26 layers.
constexpr size_t kOutputs[] = {96, 16,  64,  64, 16,  64,  64, 32,  128, 128, 32,  128, 128,
                               48, 192, 192, 48, 192, 192, 64, 256, 256, 64,  256, 256, 1000};

std::string file_of(std::string_view bytes) {
  const auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0}; };
  const std::string_view entries = bytes.substr(std::min<size_t>(bytes.size(), 3));
  const auto count = static_cast<uint32_t>(entries.size() * 2 / 3);
  std::string counts, layers;
  for (size_t i = 0; i < std::size(kOutputs); ++i) {
    const bool has_entries = i == byte(0) % std::size(kOutputs);
    counts += raw(has_entries ? count + byte(1) : 0U);
    layers += static_cast<char>(byte(2)) + std::string(sizeof(float) * (256 + kOutputs[i]) - 1, '\0');
    if (has_entries) layers += entries;
  }
  return counts + layers;
}

}  // namespace

bool deep_compression(std::string_view bytes) {
  const std::string file = file_of(bytes);
  return accepts([&] { read_deep_compression(path_of(file)); });
}

}  // namespace kindling::fuzz
