#include <kindling/train/printable.h>

#include <catch2/catch.hpp>

using namespace kindling::terminal;
using namespace std::string_literals;

TEST_CASE("control characters become their bytes, other text stays") {
  CHECK(printable("Füße 写真 é.jpg") == "Füße 写真 é.jpg");
  CHECK(printable("a\x1b[31mred\x1b]0;title\a") == "a\\x1b[31mred\\x1b]0;title\\x07");
  CHECK(printable("two\nlines\ttab\r\x7f") == "two\\x0alines\\x09tab\\x0d\\x7f");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\xc2\\x9b31m");  // U+009B, which begins a code as ESC [ does
  CHECK(printable("\x9B"
                  "31m") == "\\x9b31m");                        // the same in ISO 8859
  CHECK(printable("caf\xE9") == "caf\xE9");                     // a letter of ISO 8859, as no code begins with it
  CHECK(printable("\xD0\x90\xE2\x82") == "\xD0\x90\xE2\\x82");  // a letter, and one that is cut off
  CHECK(printable("a\0b"s) == "a\\x00b");
}

TEST_CASE("lines and our own colours stay in what is printed") {
  CHECK(printable_lines("one\ntwo\n") == "one\ntwo\n");
  CHECK(printable_lines(kColour + "31mred"s + kColour + "0m") == "\x1b[31mred\x1b[0m");
  CHECK(printable_lines("\x1b[31m") == "\\x1b[31m");
  CHECK(printable_lines(kColour + "m"s) == "\\x00m");
  CHECK(printable_lines(kColour + "2J"s) == "\\x002J");
}
