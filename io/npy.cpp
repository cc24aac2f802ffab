#include <kindling/io/npy.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <kindling/io/elements.h>
#include <kindling/io/texts.h>
#include <kindling/io/zip.h>

namespace kindling {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;  // of the elements in the file, as NumPy writes them
constexpr std::string_view kSuffix = ".npy";

struct Header {
  std::string_view descr;
  bool fortran_order = false;
  Shape shape;
};

/// Reads the header's dict. It needs no more of Python than texts, True, False and tuples of
/// numbers.
class HeaderReader {
 public:
  HeaderReader(ByteReader& in, std::string_view text) : in_(in), text_(text) {}

  Header read() {
    Header header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        header.descr = quoted(), has_descr = true;
      } else if (key == "fortran_order") {
        header.fortran_order = boolean(), has_order = true;
      } else if (key == "shape") {
        header.shape = tuple(), has_shape = true;
      } else {
        fail("has a key that is none of descr, fortran_order and shape");
      }
      if (!accept(',') && peek() != '}') fail("is not a dict");
    }
    if (!has_descr || !has_order || !has_shape) fail("lacks descr, fortran_order or shape");
    if (peek() != '\0') fail("goes on behind the dict");
    return header;
  }

 private:
  [[noreturn]] void fail(const char* what) const { in_.fail("the header before this byte ", what); }

  /// The next character that is no blank; 0 at the end.
  char peek() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size()));
    return text_.empty() ? '\0' : text_[0];
  }
  bool accept(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("is not a dict of descr, fortran_order and shape");
  }
  std::string_view quoted() {
    const char quote = peek();
    if (quote == '[') fail("describes structures, which are not read");
    const size_t end = text_.find(quote, 1);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos)
      fail("has no quoted text where one should be");
    const std::string_view result = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return result;
  }
  bool boolean() {
    const bool value = peek() == 'T';
    const std::string_view word = value ? "True" : "False";
    if (!text_.starts_with(word)) fail("has neither True nor False for fortran_order");
    text_.remove_prefix(word.size());
    return value;
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      peek();
      int64_t size = -1;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) fail("has a shape that is no tuple of whole numbers from 0 up");
      if (shape.rank() == Shape::kMaxRank) fail("has a shape of more than 8 axes");
      shape.push_back(size);
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      accept('L');  // of Python 2
      if (!accept(',') && peek() != ')') fail("has a shape that is no tuple");
    }
    return shape;
  }

  ByteReader& in_;
  std::string_view text_;
};

struct Elements {
  const char* descr;  // without the byte order
  const char* dtype;  // of StoredTensor
};
constexpr Elements kElements[] = {{"f4", "F32"}, {"f8", "F64"}, {"f2", "F16"}, {"i8", "I64"},
                                  {"i4", "I32"}, {"i2", "I16"}, {"i1", "I8"},  {"u1", "U8"},
                                  {"u2", "U16"}, {"u4", "U32"}, {"u8", "U64"}, {"b1", "BOOL"}};

Header read_header(ByteReader& in) {
  if (in.left() < kMagic.size() || in.take(kMagic.size(), "the magic") != kMagic)
    refuse(in.path(), in.offset(), "not a file of NumPy: it does not begin with \\x93NUMPY");
  const auto version = in.number<uint8_t>("the version");
  const auto minor = in.number<uint8_t>("the version");
  if (version < 1 || version > 3 || minor != 0)
    in.fail("version ", int{version}, ".", int{minor}, "; 1.0 to 3.0 are read");
  const uint64_t bytes = version == 1 ? in.number<uint16_t>("a length") : in.number<uint32_t>("a length");
  const std::string_view text = in.take(bytes, "the header");
  return HeaderReader(in, text).read();
}

/// The array of `shape`, whose elements are the rest of `in`.
Tensor read_elements(ByteReader& in, const std::string& dtype, const Shape& shape, std::endian order) {
  int64_t needed = element_bytes(dtype);
  for (const int64_t size : shape)
    if (__builtin_mul_overflow(needed, std::max<int64_t>(size, 1), &needed))
      in.fail("shape ", shape, " has more elements than can be counted");
  const std::string_view elements =
      in.take(static_cast<uint64_t>(shape.numel() * element_bytes(dtype)), "the elements");
  if (!in.at_end()) in.fail("the array ends here, ", in.left(), " bytes before the file");
  return decode_elements(dtype, shape, elements.data(), order);
}

StoredTensor read_array(ByteReader& in, std::string name) {
  const Header header = read_header(in);
  const auto fail = [&] {
    in.fail("elements of type '", header.descr, "'; f2, f4, f8, i1 to i8, u1 to u8 and b1 are read");
  };
  if (header.descr.size() != 3 || std::string_view("<>=|").find(header.descr[0]) == std::string_view::npos) fail();
  const auto type = std::find_if(std::begin(kElements), std::end(kElements),
                                 [&](const Elements& e) { return header.descr.substr(1) == e.descr; });
  if (type == std::end(kElements)) fail();
  const std::endian order = header.descr[0] == '>' ? std::endian::big : std::endian::little;

  Shape shape = header.shape, axes;
  if (header.fortran_order) {
    std::reverse_copy(header.shape.begin(), header.shape.end(), &shape[0]);
    for (int64_t axis = shape.rank(); axis-- > 0;) axes.push_back(axis);
  }
  const int64_t place = in.offset();
  const bool is_u64 = type->dtype == std::string_view("U64");
  Tensor value = read_elements(in, is_u64 ? "I64" : type->dtype, shape, order);
  if (is_u64) {
    const int64_t* first = value.data<int64_t>();
    const int64_t* bad = std::find_if(first, first + value.numel(), [](int64_t x) { return x < 0; });
    if (bad != first + value.numel()) refuse(in.path(), place + 8 * (bad - first), "a number of 2^63 or more");
  }
  if (header.fortran_order) value = value.permute(axes).contiguous();
  return {std::move(name), type->dtype, std::move(value)};
}

/// Everything before the elements.
std::string make_header(const Tensor& tensor) {
  constexpr const char* kDescr[] = {"<f4", "<f8", "<i8", "|u1"};  // in the order of DType
  std::string text = std::string("{'descr': '") + kDescr[static_cast<size_t>(tensor.dtype())] +
                     "', 'fortran_order': False, 'shape': (";
  for (const int64_t size : tensor.shape()) text += std::to_string(size) + ", ";
  if (tensor.rank() > 1) text.resize(text.size() - 2);
  if (tensor.rank() == 1) text.pop_back();
  text += "), }";
  const size_t before = kMagic.size() + 4;
  text.append((kAlignment - (before + text.size() + 1) % kAlignment) % kAlignment, ' ');
  text += '\n';
  const auto bytes = static_cast<uint16_t>(text.size());
  std::string header(kMagic);
  header.append({'\x01', '\x00', static_cast<char>(bytes & 0xFF), static_cast<char>(bytes >> 8)});
  return header + text;
}

}  // namespace

TensorFile read_npy(const std::string& path) {
  const std::string file = read_file(path);
  ByteReader in(path, file);
  TensorFile result{path, {}, {}};
  result.tensors.push_back(read_array(in, std::filesystem::path(path).stem().string()));
  return result;
}

TensorFile read_npz(const std::string& path) {
  const std::string file = read_file(path);
  const ZipArchive archive(path, file);
  TensorFile result{path, {}, {}};
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.ends_with(kSuffix) || !is_utf8(entry.name))
      refuse(path, entry.offset, "entry \"", entry.name, "\" is not named NAME.npy, in UTF-8");
    const ZipContents contents = archive.read(entry);
    ByteReader in = contents.reader();
    result.tensors.push_back(read_array(in, std::string(entry.name.substr(0, entry.name.size() - kSuffix.size()))));
  }
  return result;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  const Tensor contiguous = tensor.contiguous();
  AtomicFile file(path);
  file.write(make_header(contiguous));
  file.write(bytes_of(contiguous));
  file.commit();
}

void write_npz(const std::string& path, const std::vector<NamedTensor>& tensors) {
  check_texts(path, tensors);
  ZipWriter file(path);
  for (const auto& [name, value] : tensors) {
    const Tensor contiguous = value.contiguous();
    file.add(name + std::string(kSuffix), {make_header(contiguous), bytes_of(contiguous)});
  }
  file.commit();
}

}  // namespace kindling
