#include <kindling/io/texts.h>

#include <catch2/catch.hpp>

using namespace kindling;

TEST_CASE("UTF-8 is told from other bytes") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain\n"));
  CHECK(is_utf8("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF"));  // up to U+10FFFF
  CHECK_FALSE(is_utf8("\xA9"));                                               // no first byte
  CHECK_FALSE(is_utf8("\xC3"));                                               // cut off
  CHECK_FALSE(is_utf8("\xE2\x82"));
  CHECK_FALSE(is_utf8("\xC3("));
  CHECK_FALSE(is_utf8("\xC0\xAF"));  // '/' in two bytes
  CHECK_FALSE(is_utf8("\xC1\xBF"));
  CHECK_FALSE(is_utf8("\xE0\x80\xAF"));
  CHECK_FALSE(is_utf8("\xF0\x82\x82\xAC"));
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));      // a surrogate
  CHECK_FALSE(is_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
  CHECK_FALSE(is_utf8("\xFF"));
}
