// Numbers as bytes of a file: the inverse of ByteReader. Internal to io/.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

namespace kindling {

/// Appends the number, little-endian.
template <class T>
requires std::is_arithmetic_v<T>
void append_number(std::string& to, T number) {
  char raw[sizeof(T)];
  std::memcpy(raw, &number, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) std::reverse(raw, raw + sizeof(T));
  to.append(raw, sizeof(T));
}

}  // namespace kindling
