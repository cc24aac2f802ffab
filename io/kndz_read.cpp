#include <zlib.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <set>

#include <kindling/io/byte_reader.h>
#include <kindling/io/crc32.h>
#include <kindling/io/kndz_decode.h>
#include <kindling/io/texts.h>

namespace kindling {
namespace {

using namespace kndz;

/// Takes a file from front to back. Nothing but the piece that was taken last is in memory.
class Pieces {
 public:
  explicit Pieces(const std::string& path) : path_(path), file_(path, std::ios::binary) {
    file_.seekg(0, std::ios::end);
    const std::streamoff end = file_.tellg();
    if (!file_ || end < 0) throw FileError(path + ": cannot be read");
    left_ = static_cast<uint64_t>(end);
    file_.seekg(0);
  }

  const std::string& path() const { return path_; }
  int64_t offset() const { return static_cast<int64_t>(offset_); }
  uint64_t left() const { return left_; }

  std::string take(uint64_t count, const char* what) {
    if (count > left_)
      refuse(path_, static_cast<int64_t>(offset_ + left_), "the data end here, within ", what, " of ", count,
             " bytes at byte ", offset_);
    std::string bytes(count, '\0');
    if (!file_.read(bytes.data(), static_cast<std::streamsize>(count))) throw FileError(path_ + ": cannot be read");
    offset_ += count;
    left_ -= count;
    return bytes;
  }
  uint32_t number(const char* what) {
    return ByteReader(path_, take(sizeof(uint32_t), what), offset()).number<uint32_t>(what);
  }

  /// The checksum stands next.
  void check(uint32_t computed, const std::string& what) {
    const int64_t place = offset();
    if (number("a checksum") != computed)
      refuse(path_, place, "the checksum of ", what, " is wrong: the file is damaged");
  }

 private:
  std::string path_;
  std::ifstream file_;
  uint64_t left_ = 0, offset_ = 0;
};

/// A text that is stored deflated, after its sizes; then a checksum of these and of `before`.
std::string take_section(Pieces& file, const std::string& before, const std::string& what) {
  const int64_t place = file.offset();
  const std::string sizes = file.take(8, "the sizes of a section");
  ByteReader reader(file.path(), sizes, place);
  const auto stored = reader.number<uint32_t>("a size"), bytes = reader.number<uint32_t>("a size");
  constexpr uint64_t kMostInflated = 1032;  // bytes for one, by the format of deflate
  if (bytes > kMostInflated * stored)
    refuse(file.path(), place, what, " cannot have ", bytes, " bytes when ", stored, " are stored");
  const std::string data = file.take(stored, "a section");
  file.check(crc32(data, crc32(sizes, crc32(before))), what);
  std::string text(bytes, '\0');
  uLongf size = bytes;
  if (bytes > 0 && (uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                               reinterpret_cast<const Bytef*>(data.data()), stored) != Z_OK ||
                    size != bytes))
    refuse(file.path(), place, what, " cannot be inflated");
  return text;
}

std::string take_text(ByteReader& from) { return std::string(from.take(from.number<uint32_t>("a length"), "a text")); }

Row take_row(ByteReader& table) {
  Row row;
  CodedTensor& tensor = row.tensor;
  tensor.name = take_text(table);
  const auto number = [&](const char* what, uint8_t most) {
    const auto value = table.number<uint8_t>(what);
    if (value > most)
      table.fail("tensor \"", tensor.name, "\": ", what, " is ", int{value}, ", at most ", int{most}, " is known");
    return value;
  };
  tensor.coding = static_cast<Coding>(number("the method", 2));
  tensor.dtype = kDtypes[number("the type", 2)];
  tensor.axes = static_cast<AxisOrder>(number("the order of axes", 1));
  row.parameter = number("the parameter", 8);
  const uint8_t rank = number("the rank", Shape::kMaxRank);
  double elements = 1;
  for (uint8_t axis = 0; axis < rank; ++axis) {
    const auto size = table.number<uint32_t>("a size");
    tensor.shape.push_back(size);
    elements *= std::max(size, 1u);
  }
  row.bytes = table.number<uint32_t>("the number of bytes");
  tensor.step = table.number<float>("the step");
  const double most = static_cast<double>(kElementsPerByte) * (row.bytes + 1.0);
  if (elements > most)
    table.fail("tensor \"", tensor.name, "\" of shape ", tensor.shape, " cannot be in ", row.bytes, " bytes");
  if (!std::isfinite(tensor.step)) table.fail("tensor \"", tensor.name, "\": its step is not finite");
  return row;
}

Metadata take_notes(Pieces& file) {
  const std::string notes = take_section(file, "", "the notes");
  Metadata result;
  for (ByteReader reader(file.path() + ": in its notes", notes); !reader.at_end();) {
    const std::string key = take_text(reader);
    result[key] = take_text(reader);
  }
  return result;
}

/// Calls take(tensor) for each tensor, one after the other. Returns the notes.
template <class Take>
Metadata read(const std::string& path, Take take) {
  Pieces file(path);
  const std::string start = file.take(6, "the start of a .kndz file");
  if (!start.starts_with(kMagic)) refuse(path, 0, "a .kndz file begins with \"KNDZ\"");
  if (start[4] != kVersion)
    refuse(path, 4, "version ", int{static_cast<uint8_t>(start[4])}, " of the format is not known here");
  if (start[5] != 0 && start[5] != 1)
    refuse(path, 5, "coder ", int{static_cast<uint8_t>(start[5])}, " is not known here");
  const auto coder = static_cast<KndzCoder>(start[5]);
  const std::string head = take_section(file, start, "the table of tensors");
  const Metadata notes = take_notes(file);
  ByteReader table(path + ": in its table", head);
  std::set<std::string> names;
  const auto models = std::make_unique<Models>();
  const auto count = table.number<uint32_t>("the number of tensors");
  for (uint32_t i = 0; i < count; ++i) {
    Row row = take_row(table);
    CodedTensor& tensor = row.tensor;
    if (!is_utf8(tensor.name) || !names.insert(tensor.name).second)
      table.fail("tensor \"", tensor.name, "\": names are UTF-8, and each tensor has its own");
    const int64_t offset = file.offset();
    const std::string bytes = file.take(row.bytes, "a tensor");
    file.check(crc32(bytes), "tensor \"" + tensor.name + "\"");
    const Place place{path, offset, tensor.name};
    if (coder == KndzCoder::range) {
      decode_range(row, bytes, place, *models);
    } else {
      decode_huffman(row, bytes, place);
    }
    take(std::move(tensor));
  }
  if (!table.at_end()) table.fail("the table should end here");
  if (file.left() > 0) refuse(path, file.offset(), "the file should end here, but ", file.left(), " bytes follow");
  return notes;
}

}  // namespace

KndzFile read_kndz(const std::string& path) {
  KndzFile result{path, {}, {}};
  result.notes = read(path, [&](CodedTensor tensor) { result.tensors.push_back(std::move(tensor)); });
  return result;
}

TensorFile read_kndz_weights(const std::string& path) {
  TensorFile result{path, {}, {}};
  result.metadata = read(path, [&](const CodedTensor& tensor) {
    result.tensors.emplace_back(tensor.name, tensor.coding == Coding::plain ? tensor.dtype : "F32", tensor.decoded());
  });
  return result;
}

}  // namespace kindling
