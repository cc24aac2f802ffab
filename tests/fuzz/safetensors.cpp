#include <kindling/io/safetensors_format.h>
#include <kindling/io/tensor_file.h>

#include <cstring>

#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {
namespace {

/// Puts the right checksum into a header that has one: else it would refuse nearly every change.
void repair_header(std::string& file) {
  using namespace safetensors;
  constexpr size_t kBegin = kLengthBytes, kPlace = kBegin + kChecksumStart.size();
  uint64_t length = 0;
  if (file.size() < kPlace + kChecksumDigits || file.compare(kBegin, kChecksumStart.size(), kChecksumStart) != 0)
    return;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length < kPlace || length > file.size() - kBegin) return;
  file.replace(kPlace, kChecksumDigits, kChecksumDigits, '0');
  file.replace(kPlace, kChecksumDigits, hex(header_crc32(file.substr(kBegin, length))));
}

}  // namespace

bool safetensors(std::string_view bytes) {
  std::string file(bytes);
  repair_header(file);
  return accepts([&] {
    for (const StoredTensor& tensor : read_safetensors(path_of(file)).tensors) tensor.value();
  });
}

}  // namespace kindling::fuzz
