// How the readers of files refuse one. Internal to io/.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

#include <kindling/tensor/check.h>

namespace kindling {

/// Throws FileError "<path>: byte <offset>: <parts...>".
template <class... Parts>
[[noreturn]] void refuse(const std::string& path, int64_t offset, const Parts&... parts) {
  std::ostringstream message;
  message << path << ": byte " << offset << ": ";
  (message << ... << parts);
  throw FileError(message.str());
}

}  // namespace kindling
