// Pickles and zip archives, byte by byte.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <kindling/tests/io/raw_bytes.h>

namespace kindling::testing {

// Pieces of pickles. Each pushes what its name says.
inline std::string text(const std::string& s) { return 'X' + raw(static_cast<uint32_t>(s.size())) + s; }
inline std::string integer(int64_t n) { return "\x8a\x08" + raw(n); }
inline std::string global(const std::string& module, const std::string& name) {
  return 'c' + module + '\n' + name + '\n';
}
inline std::string tuple(std::initializer_list<std::string> items) {
  std::string all = "(";
  for (const std::string& item : items) all += item;
  return all + 't';
}
inline std::string integers(std::initializer_list<int64_t> numbers) {
  std::string all = "(";
  for (const int64_t n : numbers) all += integer(n);
  return all + 't';
}
/// `items` are keys and values in turn.
inline std::string dict(std::initializer_list<std::string> items) {
  std::string all = "}(";
  for (const std::string& item : items) all += item;
  return all + 'u';
}
inline std::string pickle(const std::string& value) { return "\x80\x02" + value + '.'; }

// What PyTorch writes.
inline std::string storage(const std::string& type, const std::string& key, int64_t numel) {
  return tuple({text("storage"), global("torch", type + "Storage"), text(key), text("cpu"), integer(numel)}) + 'Q';
}
inline std::string tensor(const std::string& storage, int64_t offset, std::initializer_list<int64_t> shape,
                          std::initializer_list<int64_t> strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, integer(offset), integers(shape), integers(strides), "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         'R';
}

/// An entry of an archive, with what a hostile one may lie about.
struct Entry {
  std::string name, contents;
  bool deflate = false;
  int64_t lie = 0;  ///< added to the size of the contents
  uint16_t flags = 0;
  uint16_t method = 0;  ///< unless 0, instead of the right one
  bool bad_crc32 = false;
  bool zip64 = false;  ///< sizes and offset in a zip64 field
};

/// Without header and checksum, as in zip archives.
inline std::string deflated(const std::string& contents) {
  std::string result(contents.size() + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(contents.data()));
  stream.avail_in = static_cast<uInt>(contents.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  ::deflate(&stream, Z_FINISH);
  deflateEnd(&stream);
  result.resize(stream.total_out);
  return result;
}

/// A zip archive, after some first bytes.
inline std::string zip(const std::vector<Entry>& entries, const std::string& first = "",
                       const std::string& comment = "") {
  std::string file = first, directory;
  for (const Entry& entry : entries) {
    const std::string data = entry.deflate ? deflated(entry.contents) : entry.contents;
    const auto* contents = reinterpret_cast<const Bytef*>(entry.contents.data());
    const auto sum = static_cast<uint32_t>(::crc32(0, contents, static_cast<uInt>(entry.contents.size())));
    const auto bytes = static_cast<uint32_t>(static_cast<int64_t>(entry.contents.size()) + entry.lie);
    const auto place = static_cast<uint32_t>(file.size()), stored = static_cast<uint32_t>(data.size());
    const uint16_t method = entry.method != 0 ? entry.method : entry.deflate ? 8 : 0;
    const std::string common =
        raw<uint16_t>(20) + raw(entry.flags) + raw(method) + raw<uint32_t>(0) + raw(entry.bad_crc32 ? ~sum : sum);
    const std::string sizes = raw(stored) + raw(bytes);
    const std::string name_bytes = raw(static_cast<uint16_t>(entry.name.size()));
    file += "PK\x03\x04" + common + sizes + name_bytes + raw<uint16_t>(0) + entry.name + data;
    const std::string extra = entry.zip64 ? raw<uint16_t>(1) + raw<uint16_t>(24) + raw<uint64_t>(bytes) +
                                                raw<uint64_t>(stored) + raw<uint64_t>(place)
                                          : "";
    directory += "PK\x01\x02" + raw<uint16_t>(20) + common + (entry.zip64 ? std::string(8, '\xff') : sizes) +
                 name_bytes + raw(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 (entry.zip64 ? std::string(4, '\xff') : raw(place)) + entry.name + extra;
  }
  const auto count = static_cast<uint16_t>(entries.size());
  const auto place = static_cast<uint32_t>(file.size());
  return file + directory + "PK\x05\x06" + raw<uint32_t>(0) + raw(count) + raw(count) +
         raw(static_cast<uint32_t>(directory.size())) + raw(place) + raw(static_cast<uint16_t>(comment.size())) +
         comment;
}

}  // namespace kindling::testing
