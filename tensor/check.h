// Errors and the scope (layer path) that they name. The library throws these and never prints or exits.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace kindling {

/// The base of all exceptions that Kindling throws on purpose. `what()` starts with the layer's
/// path, if there is one: "fire4/expand3x3: conv2d: input has 3 channels, ...".
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A caller's mistake in shapes, dtypes, axes or options. Thrown before any work is done.
struct ShapeError : Error {
  using Error::Error;
};

/// A file that is missing, damaged, hostile or cannot be written. The message has the path and, if
/// known, the byte offset.
struct FileError : Error {
  using Error::Error;
};

/// Names the part of the model that is being computed, for errors and for the autograd graph.
/// Scopes nest, in each thread: "expand3x3" inside "fire4" gives the path "fire4/expand3x3".
class Scope {
 public:
  explicit Scope(std::string_view name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// The calling thread's path, "" outside every scope. The pointer stays valid for the program's
  /// life.
  static const std::string* path();

 private:
  size_t parent_length_;
};

namespace detail {
/// A part of a message, for the time of one call: text, a number, or whatever else can be streamed.
class Part {
 public:
  template <class T>
  explicit Part(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      text_ = value;
    } else if constexpr (std::is_same_v<T, char>) {
      text_ = {&value, 1};
    } else if constexpr (std::is_floating_point_v<T>) {
      real_ = value, kind_ = Kind::real;
    } else if constexpr (std::is_integral_v<T>) {
      integer_ = static_cast<int64_t>(value), kind_ = Kind::integer;
    } else {
      object_ = &value, kind_ = Kind::object;
      stream_ = [](std::ostream& out, const void* object) { out << *static_cast<const T*>(object); };
    }
  }
  void stream_to(std::ostream& out) const;

 private:
  enum class Kind : uint8_t { text, real, integer, object } kind_ = Kind::text;
  std::string_view text_;
  double real_ = 0;
  int64_t integer_ = 0;
  const void* object_ = nullptr;
  void (*stream_)(std::ostream& out, const void* object) = nullptr;
};

/// "<path>: <op>: <parts...>", without the path if it is empty.
std::string message(const std::string& path, const char* op, std::initializer_list<Part> parts);
[[noreturn]] void throw_shape_error(const char* op, std::initializer_list<Part> parts);

/// Separate from check(), and cold, so that the compiler does not make it fast wherever something
/// is checked.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail_check(const char* op, const Parts&... parts) {
  throw_shape_error(op, {Part(parts)...});
}
}  // namespace detail

/// Makes `path`, a result of Scope::path(), the whole path of the calling thread while it lives.
/// Gradient rules run in the scope in which their operation was recorded.
class AbsoluteScope {
 public:
  explicit AbsoluteScope(const std::string* path);
  ~AbsoluteScope();
  AbsoluteScope(const AbsoluteScope&) = delete;
  AbsoluteScope& operator=(const AbsoluteScope&) = delete;

 private:
  const std::string* before_;
};

/// Throws ShapeError "<scope>: <op>: <parts...>" unless `ok`. A part is anything that can be
/// streamed.
template <class... Parts>
inline void check(bool ok, const char* op, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::fail_check(op, parts...);
}

}  // namespace kindling
