#include <zlib.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <set>

#include <kindling/io/byte_reader.h>
#include <kindling/io/crc32.h>
#include <kindling/io/elements.h>
#include <kindling/io/huffman.h>
#include <kindling/io/kndz_format.h>
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

/// A row of the table: a tensor without its contents.
struct Row {
  CodedTensor tensor;
  uint32_t parameter = 0, bytes = 0;
};

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

/// Says that a tensor's piece, which begins there, is wrong.
struct Place {
  const std::string& path;
  int64_t offset;
  const std::string& name;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(path, offset, "tensor \"", name, "\": ", parts...);
  }
};

/// Turns words into floating-point numbers.
Tensor to_floats(const std::string& dtype, const Shape& shape, const std::vector<uint32_t>& words) {
  std::string bytes;
  for (const uint32_t word : words)
    for (uint32_t shift = 0; shift < word_bits(dtype); shift += 8) bytes.push_back(static_cast<char>(word >> shift));
  return decode_elements(dtype, shape, bytes.data());
}

/// `count` sorted values of a codebook, as differences that `next` gives. Returns how many of them
/// are negative.
template <class Next>
int32_t take_codebook(CodedTensor& tensor, uint32_t count, const Place& place, Next next) {
  const uint32_t bits = word_bits(tensor.dtype), zero = ordered(0, bits);
  std::vector<uint32_t> words{0};
  uint64_t word = 0;
  int32_t negative = 0;
  for (uint32_t i = 0; i < count; ++i) {
    word += next();
    if (word >> bits != 0) place.fail("value ", i, " of its codebook is no number of ", bits, " bits");
    negative += word < zero;
    words.push_back(unordered(static_cast<uint32_t>(word), bits));
  }
  tensor.codebook = to_floats(tensor.dtype, {std::ssize(words)}, words).to_vector<float>();
  return negative;
}

/// Takes the numbers in the file's order. Those of a codebook become codes: 0, then its values in
/// their order.
template <class Next>
void take_numbers(CodedTensor& tensor, int32_t negative, const Place& place, Next next) {
  tensor.numbers.resize(static_cast<size_t>(tensor.shape.numel()));
  const bool is_codebook = tensor.coding == Coding::codebook;
  const int32_t positive = static_cast<int32_t>(tensor.codebook.size()) - 1 - negative;
  for_each_in_grid(GridShape::of(tensor.shape, tensor.axes), tensor.axes, [&](int64_t i) {
    const int32_t q = next();
    if (is_codebook && q != 0 && (q < -negative || q > positive)) place.fail("number ", q, " is not in its codebook");
    tensor.numbers[static_cast<size_t>(i)] = is_codebook && q != 0 ? q + negative + (q < 0 ? 1 : 0) : q;
  });
}

void decode_range(const Row& row, std::string_view bytes, const Place& place, Models& models, CodedTensor& tensor) {
  RangeDecoder decoder(bytes);
  models.floats.loosen();
  if (tensor.coding == Coding::plain) {
    std::vector<uint32_t> words(static_cast<size_t>(tensor.shape.numel()));
    for (uint32_t& word : words) word = code_word(decoder, models.floats, tensor.dtype, 0);
    tensor.values = to_floats(tensor.dtype, tensor.shape, words);
    return;
  }
  int32_t negative = 0;
  if (tensor.coding == Coding::codebook)
    negative =
        take_codebook(tensor, decoder.code_raw(16), place, [&] { return code_difference(decoder, models.floats, 0); });
  models.numbers.begin(GridShape::of(tensor.shape, tensor.axes), row.parameter);
  take_numbers(tensor, negative, place, [&] {
    const int32_t q = models.numbers.code(decoder, 0);
    models.numbers.advance(q);
    return q;
  });
}

HuffmanDecoder take_code(BitReader& bits, uint32_t symbols, const Place& place) {
  std::vector<uint8_t> lengths(symbols);
  for (uint8_t& length : lengths) length = static_cast<uint8_t>(bits.take(4));
  HuffmanDecoder result(lengths);
  if (!result.is_sound()) place.fail("one code is the beginning of another");
  return result;
}

void decode_huffman(const Row& row, std::string_view bytes, const Place& place, CodedTensor& tensor) {
  const int64_t elements = tensor.shape.numel();
  if (tensor.coding == Coding::plain) {
    if (static_cast<int64_t>(bytes.size()) != elements * element_bytes(tensor.dtype))
      place.fail("has ", bytes.size(), " bytes for ", elements, " elements");
    tensor.values = decode_elements(tensor.dtype, tensor.shape, bytes.data());
    return;
  }
  BitReader bits(bytes);
  int32_t low = 0, high = 0;
  if (tensor.coding == Coding::codebook) {
    const uint32_t count = bits.take(16);
    low = -take_codebook(tensor, count, place, [&] {
      const uint32_t digits = std::min(bits.take(6), 33u);
      return digits == 0 ? 0 : (uint64_t{1} << (digits - 1)) + bits.take(digits - 1);
    });
    high = static_cast<int32_t>(count) + low;
  } else {
    low = -static_cast<int32_t>(bits.take(20));
    high = static_cast<int32_t>(bits.take(20));
  }
  if (high - low >= static_cast<int32_t>(kMostSymbols)) place.fail("has numbers from ", low, " to ", high);
  const HuffmanDecoder codes = take_code(bits, static_cast<uint32_t>(high - low) + 1, place);
  const bool has_gaps = row.parameter > 0;
  uint32_t entries = has_gaps ? bits.take(32) : static_cast<uint32_t>(elements);
  const HuffmanDecoder gaps = has_gaps ? take_code(bits, 1u << row.parameter, place) : HuffmanDecoder({});
  const auto take = [&](const HuffmanDecoder& from) {
    const uint32_t symbol = from.take(bits);
    if (symbol == HuffmanDecoder::kNone) place.fail("has bits that are no code");
    return symbol;
  };
  uint32_t zeros = std::numeric_limits<uint32_t>::max();  // before the next entry: none follows
  const auto next_entry = [&] {
    zeros = entries == 0 ? std::numeric_limits<uint32_t>::max() : has_gaps ? take(gaps) : 0;
  };
  next_entry();
  take_numbers(tensor, -low, place, [&] {
    if (zeros > 0) return --zeros, 0;
    const int32_t q = static_cast<int32_t>(take(codes)) + low;
    --entries;
    next_entry();
    return q;
  });
  if (entries > 0) place.fail("has ", entries, " entries too many");
  if (bits.is_beyond_end()) place.fail("its ", bytes.size(), " bytes end before its numbers do");
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
  const std::string head = take_section(file, start, "the table of tensors"),
                    notes = take_section(file, "", "the notes");
  Metadata result;
  for (ByteReader reader(path + ": in its notes", notes); !reader.at_end();) {
    const std::string key = take_text(reader);
    result[key] = take_text(reader);
  }
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
      decode_range(row, bytes, place, *models, tensor);
    } else {
      decode_huffman(row, bytes, place, tensor);
    }
    take(std::move(tensor));
  }
  if (!table.at_end()) table.fail("the table should end here");
  if (file.left() > 0) refuse(path, file.offset(), "the file should end here, but ", file.left(), " bytes follow");
  return result;
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
