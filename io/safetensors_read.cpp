// Reading safetensors files, which may come from anywhere: nothing in them is believed before it has been checked.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <kindling/io/crc32.h>
#include <kindling/io/elements.h>
#include <kindling/io/safetensors.h>
#include <kindling/io/safetensors_format.h>
#include <kindling/io/safetensors_header.h>

namespace kindling {
namespace {

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

/// Throws FileError if the header does not have the checksum that it holds. A header without one is
/// accepted.
void check_header(const std::string& path, std::string text) {
  if (!text.starts_with(safetensors::kChecksumStart)) return;
  const size_t place = safetensors::kChecksumStart.size();
  const std::string told = text.substr(place, safetensors::kChecksumDigits);
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(place), told.size(), '0');
  if (told != safetensors::hex(safetensors::header_crc32(text)))
    refuse(path, 0,
           "the checksum of the header is wrong: the file is damaged, or another program has changed it and "
           "kept \"",
           safetensors::kChecksumKey, "\" in its metadata");
}

/// Hands the checksums in the metadata, which check_header() has found right, to the entries.
void take_checksums(const std::string& path, const std::string& text, safetensors::Header& header) {
  const auto found = header.metadata.find(safetensors::kChecksumKey);
  if (found == header.metadata.end()) return;
  const std::string words = found->second;
  header.metadata.erase(found);
  constexpr size_t kDigits = safetensors::kChecksumDigits;
  if (!text.starts_with(safetensors::kChecksumStart) || words.size() != kDigits + (kDigits + 1) * header.entries.size())
    refuse(path, safetensors::kLengthBytes, "\"", safetensors::kChecksumKey, "\" is not one checksum for each tensor");
  const char* word = words.data() + kDigits + 1;
  for (TensorEntry& entry : header.entries) {
    uint32_t value = 0;
    std::from_chars(word, word + kDigits, value, 16);
    entry.crc32 = value;
    word += kDigits + 1;
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path)
    // Opening a pipe waits for its writer, unless told not to.
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) throw FileError(path + ": cannot be opened: " + std::generic_category().message(errno));
  try {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode))
      throw FileError(path + ": is not a regular file");
    const std::string text = read_header(path_, descriptor_, status.st_size);
    check_header(path_, text);
    safetensors::Header header = safetensors::parse_header(path_, text, status.st_size);
    take_checksums(path_, text, header);
    has_checksums_ = text.starts_with(safetensors::kChecksumStart);
    entries_ = std::move(header.entries);
    index_ = std::move(header.index);
    metadata_ = std::move(header.metadata);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { ::close(descriptor_); }

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

void SafetensorsFile::read_elements(const TensorEntry& entry, void* to) const {
  read_exactly(path_, descriptor_, entry.offset, to, entry.bytes);
  if (entry.crc32 && *entry.crc32 != crc32({static_cast<const char*>(to), static_cast<size_t>(entry.bytes)}))
    refuse(path_, entry.offset, "tensor \"", entry.name, "\": its checksum is wrong: the file is damaged");
}

Tensor SafetensorsFile::read(const TensorEntry& entry) const {
  if (const DType dtype = memory_dtype(entry.dtype); size_of(dtype) == element_bytes(entry.dtype)) {
    Tensor result = Tensor::empty(entry.shape, dtype);
    visit(dtype, [&](auto t) { read_elements(entry, result.data<decltype(t)>()); });
    return result;
  }
  std::string bytes(static_cast<size_t>(entry.bytes), '\0');
  read_elements(entry, bytes.data());
  return decode_elements(entry.dtype, entry.shape, bytes.data());
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) throw FileError(path_ + ": has no tensor \"" + name + "\"");
  return read(*entry);
}

}  // namespace kindling
