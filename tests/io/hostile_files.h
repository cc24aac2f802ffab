// What every reader must stand: files that are cut or changed.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include <kindling/tensor/check.h>

#include <kindling/tests/support/temporary_folder.h>

namespace kindling::testing {

/// What `read(path)` says of a file of these bytes, without the path; "" if it is accepted. Any
/// exception but FileError fails the test.
template <class Read>
std::string refusal(const std::string& bytes, Read read) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    read(path);
    return "";
  } catch (const FileError& error) {
    const std::string text = error.what();
    REQUIRE(text.starts_with(path + ": "));
    return text.substr(path.size() + 2);
  }
}

/// Calls f(n, what the reader says of the first n bytes) for every n < the number of bytes.
template <class Read, class F>
void for_each_truncation(const std::string& bytes, Read read, F f) {
  for (size_t n = 0; n < bytes.size(); ++n) {
    INFO(n << " of " << bytes.size() << " bytes");
    f(n, refusal(bytes.substr(0, n), read));
  }
}

/// Fails unless each proper beginning of the file is refused, with a byte offset.
template <class Read>
void check_truncations(const std::string& bytes, Read read) {
  REQUIRE(refusal(bytes, read) == "");
  for_each_truncation(bytes, read, [](size_t, const std::string& text) { CHECK_THAT(text, Catch::Contains("byte ")); });
}

/// Reads the file with each byte changed: all of its bits, the lowest, the highest, and to 0 and
/// 127. Returns how many of these files were refused.
template <class Read>
size_t refused_after_change(const std::string& bytes, Read read) {
  size_t refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto old = static_cast<unsigned char>(bytes[i]);
    for (const int byte : {old ^ 0xFF, old ^ 1, old ^ 0x80, 0, 127}) {
      INFO("byte " << i << " is " << byte << ", was " << int{old});
      std::string changed = bytes;
      changed[i] = static_cast<char>(byte);
      refused += !refusal(changed, read).empty();
    }
  }
  return refused;
}

}  // namespace kindling::testing
