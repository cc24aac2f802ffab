// Checksums would refuse nearly every change. So the bytes are those that matter, of a file of one tensor:
//   u8       the coder; or from 128 on: the other bytes are the whole file
//   u8 each  method, type, order of axes, parameter, rank; then that many sizes (of a rank up to 8)
//   the piece: all other bytes
#include <kindling/io/byte_writer.h>
#include <kindling/io/crc32.h>
#include <kindling/io/kndz.h>
#include <kindling/tests/fuzz/fuzz.h>
#include <zlib.h>

namespace kindling::fuzz {
namespace {

std::string section(const std::string& text, std::string before) {
  uLongf size = compressBound(text.size());
  std::string stored(size, '\0');
  compress2(reinterpret_cast<Bytef*>(stored.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size(),
            1);
  append_number(before, static_cast<uint32_t>(size));
  append_number(before, static_cast<uint32_t>(text.size()));
  before += stored.substr(0, size);
  append_number(before, kindling::crc32(before));
  return before;
}

std::string file_of(std::string_view bytes) {
  size_t at = 0;
  const auto next = [&] { return at < bytes.size() ? bytes[at++] : '\0'; };
  const std::string start = std::string("KNDZ\1") + next();
  std::string row;
  for (int i = 0; i < 5; ++i) row += next();
  for (int axis = 0; axis < row[4] && axis < 8; ++axis)
    append_number(row, uint32_t{static_cast<uint8_t>(next())} & 7);  // small: more runs
  const std::string piece(bytes.substr(at));
  append_number(row, static_cast<uint32_t>(piece.size()));
  append_number(row, 0.5F);
  std::string table = {'\1', '\0', '\0', '\0', '\1', '\0', '\0', '\0', 'a'};
  std::string check;
  append_number(check, kindling::crc32(piece));
  return section(table + row, start) + section("", "") + piece + check;
}

}  // namespace

bool kndz(std::string_view bytes) {
  const bool whole = !bytes.empty() && static_cast<uint8_t>(bytes[0]) >= 128;
  const std::string file = whole ? std::string(bytes.substr(1)) : file_of(bytes);
  return accepts([&] {
    for (const CodedTensor& tensor : read_kndz(path_of(file)).tensors) tensor.decoded();
  });
}

}  // namespace kindling::fuzz
