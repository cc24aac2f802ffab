#include <kindling/io/safetensors_header.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include <kindling/io/elements.h>
#include <kindling/io/safetensors_format.h>

namespace kindling::safetensors {
namespace {

using Json = nlohmann::json;

/// A list of whole numbers as it comes in.
struct Numbers {
  bool given = false, whole = true;
  std::vector<int64_t> values = {};
};

/// What the header says of one tensor, before it has been checked.
struct Described {
  bool dtype_given = false, dtype_is_text = false, others_given = false;
  std::string dtype = {};
  Numbers shape = {}, range = {};
};

/// Turns the events of a JSON parser (nlohmann's sax_parse) into entries, in one pass, and keeps
/// nothing else. The format nests no deeper than {"name": {"shape": []}}, so the number of open
/// brackets tells what a value is.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, const std::string& text, int64_t file_bytes)
      : path_(path),
        text_(text),
        data_begin_(kLengthBytes + static_cast<int64_t>(text.size())),
        data_bytes_(file_bytes - data_begin_) {}

  /// After the last event.
  Header finish();

  // The events. Each returns whether to go on.
  bool null() { return value(nullptr); }
  bool boolean(bool) { return value(nullptr); }
  bool number_integer(int64_t) { return value(nullptr); }
  bool number_float(double, const std::string&) { return value(nullptr); }
  bool binary(Json::binary_t&) { return value(nullptr); }
  bool string(std::string& text) { return value(&text); }
  bool number_unsigned(uint64_t number);
  bool start_object(size_t) { return open(/*is_object=*/true); }
  bool start_array(size_t) { return open(/*is_object=*/false); }
  bool key(std::string& name);
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(size_t byte, const std::string& token, const Json::exception& error);

 private:
  enum class Field { dtype, shape, range, other };

  // Where in the file a name stands. For messages alone: it looks through the whole text.
  int64_t position_of(const std::string& name) const {
    const size_t found = text_.find(Json(name).dump());
    return kLengthBytes + static_cast<int64_t>(found == std::string::npos ? 0 : found);
  }
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(path_, position_of(name_), "tensor \"", name_, "\": ", parts...);
  }
  [[noreturn]] void fail_repeated(const std::string& name) const {
    refuse(path_, position_of(name), "the name ", Json(name).dump(), " repeats");
  }
  [[noreturn]] void fail_not_an_object() const {
    if (in_metadata()) refuse(path_, position_of(name_), "\"__metadata__\" is not an object");
    fail("is not described by an object");
  }
  [[noreturn]] void fail_not_a_note() const {
    refuse(path_, position_of(name_), "\"__metadata__\" entry \"", note_, "\" is not a string");
  }
  bool in_metadata() const { return name_ == kMetadataKey; }
  // The list that comes in, if it is one that is wanted.
  Numbers* list() {
    return field_ == Field::shape ? &tensor_.shape : field_ == Field::range ? &tensor_.range : nullptr;
  }

  bool value(std::string* text);
  bool open(bool is_object);
  bool close();
  void begin_field(const std::string& name);
  void check_fields() const;
  void add_entry();
  void index_names();
  void check_coverage() const;

  const std::string& path_;
  const std::string& text_;
  int64_t data_begin_, data_bytes_;
  Header header_;
  int depth_ = 0;     // open brackets
  std::string name_;  // of the tensor, or kMetadataKey
  std::string note_;  // of the metadata's entry
  bool has_metadata_ = false;
  Field field_ = Field::other;
  Described tensor_;
};

/// A single value. `text` is null unless the value is a string. For numbers in lists see
/// number_unsigned().
bool HeaderReader::value(std::string* text) {
  if (depth_ == 1) fail_not_an_object();
  if (in_metadata()) {
    if (text == nullptr) fail_not_a_note();
    header_.metadata[note_] = std::move(*text);
  } else if (depth_ == 2 && field_ == Field::dtype) {
    tensor_.dtype_is_text = text != nullptr;
    if (text != nullptr) tensor_.dtype = std::move(*text);
  } else if (Numbers* numbers = list()) {
    numbers->whole = false;
  }
  return true;
}

bool HeaderReader::number_unsigned(uint64_t number) {
  Numbers* numbers = depth_ == 3 ? list() : nullptr;
  if (numbers == nullptr || number > uint64_t{INT64_MAX}) return value(nullptr);
  numbers->values.push_back(static_cast<int64_t>(number));
  return true;
}

bool HeaderReader::open(bool is_object) {
  if (depth_ > 2) refuse(path_, kLengthBytes, "the header nests too deeply");
  if (depth_ == 1 && !is_object) fail_not_an_object();
  if (depth_ == 2 && in_metadata()) fail_not_a_note();
  if (depth_ == 2 && is_object && list() != nullptr) list()->whole = false;
  ++depth_;
  return true;
}

bool HeaderReader::close() {
  --depth_;
  if (depth_ == 1 && !in_metadata()) add_entry();
  return true;
}

bool HeaderReader::key(std::string& name) {
  if (depth_ == 1) {
    name_ = std::move(name);
    field_ = Field::other;
    if (in_metadata() && std::exchange(has_metadata_, true)) fail_repeated(name_);
  } else if (in_metadata()) {
    note_ = std::move(name);
    if (header_.metadata.contains(note_)) fail_repeated(note_);
  } else if (depth_ == 2) {
    begin_field(name);
  }
  return true;
}

void HeaderReader::begin_field(const std::string& name) {
  const auto begin = [&](Field field, bool& given) {
    if (given && field != Field::other) fail_repeated(name);
    given = true;
    field_ = field;
  };
  if (name == "dtype") return begin(Field::dtype, tensor_.dtype_given);
  if (name == "shape") return begin(Field::shape, tensor_.shape.given);
  if (name == "data_offsets") return begin(Field::range, tensor_.range.given);
  begin(Field::other, tensor_.others_given);
}

bool HeaderReader::parse_error(size_t byte, const std::string& /*token*/, const Json::exception& error) {
  if (dynamic_cast<const Json::parse_error*>(&error) == nullptr)  // a number that is too large; it does not say where
    refuse(path_, kLengthBytes, "the header cannot be read: ", error.what());
  refuse(path_, kLengthBytes + std::max<int64_t>(static_cast<int64_t>(byte) - 1, 0), "the header is not valid JSON");
}

void HeaderReader::check_fields() const {
  if (!tensor_.dtype_given) fail("has no \"dtype\"");
  if (!tensor_.shape.given) fail("has no \"shape\"");
  if (!tensor_.range.given) fail("has no \"data_offsets\"");
  if (tensor_.others_given) fail("has entries besides dtype, shape and data_offsets");
  if (!tensor_.dtype_is_text) fail("dtype is not a string");
  if (element_bytes(tensor_.dtype) == 0)
    fail("dtype ", tensor_.dtype, " is not one of F64, F32, F16, BF16, I64, I32, I16, I8, U32, U16, U8, BOOL");
  if (!tensor_.shape.whole) fail("shape is not a list of whole numbers from 0 up");
  if (tensor_.shape.values.size() > Shape::kMaxRank)
    fail("rank ", tensor_.shape.values.size(), " is above the largest, ", Shape::kMaxRank);
  if (!tensor_.range.whole) fail("data_offsets is not a list of whole numbers from 0 up");
  if (tensor_.range.values.size() != 2) fail("data_offsets are not two numbers");
}

void HeaderReader::add_entry() {
  check_fields();
  const int64_t begin = tensor_.range.values[0], end = tensor_.range.values[1];
  if (begin > end || end > data_bytes_)
    fail("bytes [", begin, ", ", end, ") are outside the data, which has ", data_bytes_);
  const Shape shape(tensor_.shape.values);
  int64_t needed = element_bytes(tensor_.dtype);
  bool overflow = false;
  // Sizes of 0 count as 1 here: the strides of [0, 2^62, 2^62] could not be counted either.
  for (const int64_t size : shape)
    overflow = __builtin_mul_overflow(needed, std::max<int64_t>(size, 1), &needed) || overflow;
  if (overflow) fail("shape ", shape, " has more elements than can be counted");
  if (shape.numel() == 0) needed = 0;
  if (needed != end - begin)
    fail("shape ", shape, " of ", tensor_.dtype, " needs ", needed, " bytes, bytes [", begin, ", ", end, ") are ",
         end - begin);
  header_.entries.push_back({.name = std::move(name_),
                             .dtype = std::move(tensor_.dtype),
                             .shape = shape,
                             .offset = data_begin_ + begin,
                             .bytes = end - begin,
                             .crc32 = {}});
  tensor_ = {.shape = {.values = std::move(tensor_.shape.values)},
             .range = {.values = std::move(tensor_.range.values)}};
  tensor_.shape.values.clear();  // their memory serves the next
  tensor_.range.values.clear();
}

Header HeaderReader::finish() {
  const auto in_order = [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  };
  auto& entries = header_.entries;
  if (!std::is_sorted(entries.begin(), entries.end(), in_order))
    std::stable_sort(entries.begin(), entries.end(), in_order);
  index_names();
  check_coverage();
  return std::move(header_);
}

/// A repeated name would silently win over the first.
void HeaderReader::index_names() {
  header_.index.reserve(header_.entries.size());
  for (size_t i = 0; i < header_.entries.size(); ++i)
    if (!header_.index.emplace(header_.entries[i].name, i).second) fail_repeated(header_.entries[i].name);
}

void HeaderReader::check_coverage() const {
  int64_t covered = data_begin_;
  const std::string* previous = nullptr;
  for (const TensorEntry& entry : header_.entries) {
    if (entry.offset < covered)
      refuse(path_, entry.offset, "tensors \"", *previous, "\" and \"", entry.name, "\" overlap");
    if (entry.offset > covered) refuse(path_, covered, entry.offset - covered, " bytes belong to no tensor");
    covered += entry.bytes;
    previous = &entry.name;
  }
  const int64_t end = data_begin_ + data_bytes_;
  if (covered < end) refuse(path_, covered, end - covered, " bytes belong to no tensor");
}

}  // namespace

Header parse_header(const std::string& path, const std::string& text, int64_t file_bytes) {
  if (text.front() != '{') refuse(path, kLengthBytes, "the header does not begin with '{'");
  HeaderReader reader(path, text, file_bytes);
  Json::sax_parse(text, &reader);
  return reader.finish();
}

}  // namespace kindling::safetensors
