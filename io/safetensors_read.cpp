// Reading safetensors files, which may come from anywhere: nothing in them is believed before it has been checked.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <system_error>

#include <kindling/io/safetensors.h>
#include <kindling/io/safetensors_format.h>

namespace kindling {
namespace {

using Json = nlohmann::json;

/// Throws FileError "<path>: byte <offset>: <parts...>".
template <class... Parts>
[[noreturn]] void refuse(const std::string& path, int64_t offset, const Parts&... parts) {
  std::ostringstream message;
  message << path << ": byte " << offset << ": ";
  (message << ... << parts);
  throw FileError(message.str());
}

/// Bytes per element, 0 for a dtype that cannot be read.
int64_t element_bytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32") return 4;
  if (dtype == "F16" || dtype == "BF16") return 2;
  return dtype == "U8" ? 1 : 0;
}

DType memory_dtype(const std::string& dtype) {
  if (dtype == "F64") return DType::f64;
  if (dtype == "I64") return DType::i64;
  return dtype == "U8" ? DType::u8 : DType::f32;
}

/// The numbers of sign, 5 exponent and 10 mantissa bits (IEEE 754 binary16), exactly.
float widen_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

/// bfloat16 is the upper half of a float.
float widen_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

void read_exactly(const std::string& path, int descriptor, int64_t offset, void* to, int64_t bytes) {
  char* rest = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(descriptor, rest, static_cast<size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(path, offset, "cannot be read: ", std::generic_category().message(errno));
    if (got == 0) refuse(path, offset, "the file ends here, ", bytes, " bytes early");
    rest += got;
    offset += got;
    bytes -= got;
  }
}

/// Checks the header and turns it into entries.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::string text, int64_t file_bytes)
      : path_(path),
        text_(std::move(text)),
        data_begin_(safetensors::kLengthBytes + static_cast<int64_t>(text_.size())),
        data_bytes_(file_bytes - data_begin_) {}

  void read(std::vector<TensorEntry>& entries, Metadata& metadata) const {
    const Json header = parse();
    for (const auto& [name, value] : header.items()) {
      if (name == safetensors::kMetadataKey) {
        metadata = read_metadata(value);
      } else {
        entries.push_back(read_entry(name, value));
      }
    }
    std::stable_sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
    });
    check_coverage(entries);
  }

 private:
  // Where in the file a name stands, for messages.
  int64_t position_of(const std::string& name) const {
    const size_t found = text_.find(Json(name).dump());
    return safetensors::kLengthBytes + static_cast<int64_t>(found == std::string::npos ? 0 : found);
  }

  // A repeated name would silently win over the first, and the format nests no deeper than {"name": {"shape": []}}.
  Json parse() const {
    if (text_.front() != '{') refuse(path_, safetensors::kLengthBytes, "the header does not begin with '{'");
    std::vector<std::set<std::string>> names;
    const auto look = [&](int depth, Json::parse_event_t event, Json& parsed) {
      using enum Json::parse_event_t;
      if ((event == object_start || event == array_start) && depth > 2)
        refuse(path_, safetensors::kLengthBytes, "the header nests too deeply");
      if (event == object_start) names.emplace_back();
      if (event == object_end) names.pop_back();
      if (event == key && !names.back().insert(parsed.get<std::string>()).second)
        refuse(path_, position_of(parsed.get<std::string>()), "the name ", parsed.dump(), " repeats");
      return true;
    };
    try {
      return Json::parse(text_, look);
    } catch (const Json::parse_error& error) {
      const auto byte = static_cast<int64_t>(error.byte);
      refuse(path_, safetensors::kLengthBytes + std::max<int64_t>(byte - 1, 0), "the header is not valid JSON");
    } catch (const Json::exception& error) {  // a number that is too large; it does not say where
      refuse(path_, safetensors::kLengthBytes, "the header cannot be read: ", error.what());
    }
  }

  Metadata read_metadata(const Json& value) const {
    const int64_t position = position_of(safetensors::kMetadataKey);
    if (!value.is_object()) refuse(path_, position, "\"__metadata__\" is not an object");
    Metadata metadata;
    for (const auto& [name, text] : value.items()) {
      if (!text.is_string()) refuse(path_, position, "\"__metadata__\" entry \"", name, "\" is not a string");
      metadata[name] = text.get<std::string>();
    }
    return metadata;
  }

  TensorEntry read_entry(const std::string& name, const Json& value) const {
    const int64_t position = position_of(name);
    const auto fail = [&](const auto&... parts) { refuse(path_, position, "tensor \"", name, "\": ", parts...); };
    if (!value.is_object()) fail("is not described by an object");
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!value.contains(key)) fail("has no \"", key, "\"");
    if (value.size() != 3) fail("has entries besides dtype, shape and data_offsets");
    if (!value["dtype"].is_string()) fail("dtype is not a string");

    TensorEntry entry{.name = name, .dtype = value["dtype"].get<std::string>(), .shape = {}};
    if (element_bytes(entry.dtype) == 0) fail("dtype ", entry.dtype, " is not one of F32, F64, F16, BF16, I64, U8");
    const auto sizes = read_numbers(name, value, "shape");
    if (sizes.size() > Shape::kMaxRank) fail("rank ", sizes.size(), " is above the largest, ", Shape::kMaxRank);
    entry.shape = Shape(sizes);
    const auto range = read_numbers(name, value, "data_offsets");
    if (range.size() != 2) fail("data_offsets are not two numbers");
    const int64_t begin = range[0], end = range[1];
    if (begin > end || end > data_bytes_)
      fail("bytes [", begin, ", ", end, ") are outside the data, which has ", data_bytes_);

    int64_t needed = element_bytes(entry.dtype);
    bool overflow = false;
    for (const int64_t size : entry.shape) overflow = __builtin_mul_overflow(needed, size, &needed) || overflow;
    if (overflow) fail("shape ", entry.shape, " has more elements than can be counted");
    if (needed != end - begin)
      fail("shape ", entry.shape, " of ", entry.dtype, " needs ", needed, " bytes, bytes [", begin, ", ", end, ") are ",
           end - begin);
    entry.offset = data_begin_ + begin;
    entry.bytes = end - begin;
    return entry;
  }

  std::vector<int64_t> read_numbers(const std::string& name, const Json& value, const char* key) const {
    std::vector<int64_t> numbers;
    const Json& list = value[key];
    bool ok = list.is_array();
    for (const Json& number : ok ? list : Json::array()) {
      ok = ok && number.is_number_unsigned() && number.get<uint64_t>() <= uint64_t{INT64_MAX};
      if (ok) numbers.push_back(number.get<int64_t>());
    }
    if (!ok)
      refuse(path_, position_of(name), "tensor \"", name, "\": ", key, " is not a list of whole numbers from 0 up");
    return numbers;
  }

  void check_coverage(const std::vector<TensorEntry>& entries) const {
    int64_t covered = data_begin_;
    const std::string* previous = nullptr;
    for (const TensorEntry& entry : entries) {
      if (entry.offset < covered)
        refuse(path_, entry.offset, "tensors \"", *previous, "\" and \"", entry.name, "\" overlap");
      if (entry.offset > covered) refuse(path_, covered, entry.offset - covered, " bytes belong to no tensor");
      covered += entry.bytes;
      previous = &entry.name;
    }
    const int64_t end = data_begin_ + data_bytes_;
    if (covered < end) refuse(path_, covered, end - covered, " bytes belong to no tensor");
  }

  const std::string& path_;
  std::string text_;
  int64_t data_begin_, data_bytes_;
};

std::string read_header(const std::string& path, int descriptor, int64_t file_bytes) {
  if (file_bytes < safetensors::kLengthBytes)
    refuse(path, 0, "not a safetensors file: it has ", file_bytes, " bytes, the length of the header alone takes 8");
  uint64_t length = 0;
  read_exactly(path, descriptor, 0, &length, safetensors::kLengthBytes);
  if (length < 2 || length > safetensors::kMaxHeaderBytes)
    refuse(path, 0, "not a safetensors file: a header of ", length, " bytes");
  if (static_cast<int64_t>(length) > file_bytes - safetensors::kLengthBytes)
    refuse(path, 0, "the header is said to have ", length, " bytes, the file has ", file_bytes, " in all");
  std::string text(length, ' ');
  read_exactly(path, descriptor, safetensors::kLengthBytes, text.data(), static_cast<int64_t>(length));
  return text;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw FileError(path + ": cannot be opened: " + std::generic_category().message(errno));
  try {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) throw FileError(path + ": is not a file");
    HeaderReader(path_, read_header(path_, descriptor_, status.st_size), status.st_size).read(entries_, metadata_);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { ::close(descriptor_); }

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const TensorEntry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Tensor SafetensorsFile::read(const TensorEntry& entry) const {
  Tensor result = Tensor::empty(entry.shape, memory_dtype(entry.dtype));
  if (element_bytes(entry.dtype) != 2) {
    visit(result.dtype(),
          [&](auto t) { read_exactly(path_, descriptor_, entry.offset, result.data<decltype(t)>(), entry.bytes); });
    return result;
  }
  std::vector<uint16_t> halves(static_cast<size_t>(entry.shape.numel()));
  read_exactly(path_, descriptor_, entry.offset, halves.data(), entry.bytes);
  std::transform(halves.begin(), halves.end(), result.data<float>(), entry.dtype == "F16" ? widen_f16 : widen_bf16);
  return result;
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) throw FileError(path_ + ": has no tensor \"" + name + "\"");
  return read(*entry);
}

}  // namespace kindling
