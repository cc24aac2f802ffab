// Pictures for tests, in the format that takes the fewest lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace kindling::testing {

/// The contents of a file: a 24-bit Windows bitmap, rows from the bottom, padded to four bytes.
inline std::string make_bmp(int size, const std::function<uint8_t(int y, int x, int channel)>& pixel) {
  const int row = (3 * size + 3) / 4 * 4;
  std::string bytes(static_cast<size_t>(54 + row * size), '\0');
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  };
  bytes[0] = 'B';
  bytes[1] = 'M';
  put(2, static_cast<uint32_t>(bytes.size()));
  put(10, 54);
  put(14, 40);
  put(18, static_cast<uint32_t>(size));
  put(22, static_cast<uint32_t>(size));
  put(26, 1 | 24 << 16);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      for (int c = 0; c < 3; ++c)
        bytes[static_cast<size_t>(54 + y * row + 3 * x + c)] = static_cast<char>(pixel(y, x, c));
  return bytes;
}

}  // namespace kindling::testing
