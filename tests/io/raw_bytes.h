// Numbers as files have them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace kindling::testing {

/// The number as it is in memory: little-endian.
template <class T>
std::string raw(T number) {
  return std::string(reinterpret_cast<const char*>(&number), sizeof number);
}

/// One after the other, each turned round if `big_endian`.
template <class T>
std::string raw_elements(const std::vector<T>& values, bool big_endian = false) {
  std::string bytes;
  for (const T& value : values) {
    std::string one = raw(value);
    if (big_endian) std::reverse(one.begin(), one.end());
    bytes += one;
  }
  return bytes;
}

}  // namespace kindling::testing
