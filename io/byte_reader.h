// Reads numbers from bytes that may come from anywhere. Internal to io/.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include <kindling/io/file_error.h>

namespace kindling {

/// Walks through the bytes of a file, or of one piece of it, from front to back. Whoever asks for
/// more bytes than are left gets a FileError with the file's path and the byte at which they end.
class ByteReader {
 public:
  /// `place` is the offset in the file of the first of `bytes`, for messages. `bytes` must outlive
  /// the reader.
  ByteReader(std::string path, std::string_view bytes, int64_t place = 0)
      : path_(std::move(path)), bytes_(bytes), place_(place) {}

  const std::string& path() const { return path_; }
  /// In the file, of the next byte.
  int64_t offset() const { return place_ + static_cast<int64_t>(next_); }
  size_t left() const { return bytes_.size() - next_; }
  bool at_end() const { return left() == 0; }

  /// The next `count` bytes.
  std::string_view take(uint64_t count, const char* what) {
    if (count > left())
      refuse(path_, place_ + static_cast<int64_t>(bytes_.size()), "the data end here, within ", what, " of ", count,
             " bytes at byte ", offset());
    const std::string_view result = bytes_.substr(next_, count);
    next_ += count;
    return result;
  }

  /// A number of the type T.
  template <class T>
  requires std::is_arithmetic_v<T> T number(const char* what, std::endian order = std::endian::little) {
    char raw[sizeof(T)];
    std::memcpy(raw, take(sizeof(T), what).data(), sizeof(T));
    if (order != std::endian::native) std::reverse(raw, raw + sizeof(T));
    T value;
    std::memcpy(&value, raw, sizeof(T));
    return value;
  }

  /// The bytes up to the next `end`, which is passed over.
  std::string_view until(char end, const char* what) {
    const size_t place = bytes_.find(end, next_);
    if (place == std::string_view::npos)
      refuse(path_, place_ + static_cast<int64_t>(bytes_.size()), "the data end here, within ", what, " at byte ",
             offset());
    const std::string_view result = bytes_.substr(next_, place - next_);
    next_ = place + 1;
    return result;
  }

  /// Throws FileError "<path>: byte <next byte>: <parts...>".
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    refuse(path_, offset(), parts...);
  }

 private:
  std::string path_;
  std::string_view bytes_;
  int64_t place_;
  size_t next_ = 0;
};

}  // namespace kindling
