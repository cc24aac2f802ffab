// Errors and the scope (layer path) that they name. The library throws these and never prints or exits.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kindling {

/// Base of everything Kindling throws on purpose. `what()` starts with the layer's path where there is one:
/// "fire4/expand3x3: conv2d: input has 3 channels, ...".
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A caller's mistake in shapes, dtypes, axes or options; thrown before any work is done.
struct ShapeError : Error {
  using Error::Error;
};

/// A file that is missing, damaged, hostile or cannot be written:
/// names the path and, where it is known, the byte offset.
struct FileError : Error {
  using Error::Error;
};

/// Names the part of the model that is being computed, for errors and for the autograd graph. Scopes nest per thread:
/// "fire4" within it "expand3x3" gives the path "fire4/expand3x3".
class Scope {
 public:
  explicit Scope(std::string_view name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// The calling thread's path, "" outside every scope. The pointer stays valid for the program's life.
  static const std::string* path();

 private:
  size_t parent_length_;
};

namespace detail {
[[noreturn]] void throw_shape_error(const char* op, const std::string& message);

/// Apart from check(), and cold: the compiler need not make it fast at every place where something is checked.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail_check(const char* op, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw_shape_error(op, message.str());
}
}  // namespace detail

/// Makes `path` (as Scope::path() gave it) the calling thread's whole path while it lives: a gradient rule runs in the
/// scope in which its operation was recorded.
class AbsoluteScope {
 public:
  explicit AbsoluteScope(const std::string* path);
  ~AbsoluteScope();
  AbsoluteScope(const AbsoluteScope&) = delete;
  AbsoluteScope& operator=(const AbsoluteScope&) = delete;

 private:
  const std::string* before_;
};

/// Throws ShapeError "<scope>: <op>: <parts...>" unless `ok`. Every part is anything that can be streamed.
template <class... Parts>
inline void check(bool ok, const char* op, const Parts&... parts) {
  if (!ok) [[unlikely]]
    detail::fail_check(op, parts...);
}

}  // namespace kindling
