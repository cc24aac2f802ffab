// Pictures without labels.
#include <catch2/catch.hpp>

#include <kindling/data/pictures.h>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;

TEST_CASE("PictureFolder: the pictures of a folder at any depth, sorted, without hidden ones and links") {
  const TempFolder folder;
  const ByteVector red = make_png(1, {bytes_from_hex("ff0000")}), blue = make_png(1, {bytes_from_hex("0000ff")});
  folder.write("b.PNG", blue);
  folder.write("a/deep/z.png", red);
  folder.write(".hidden/x.png", red);
  folder.write(".y.png", red);
  folder.write("notes.txt", std::string("no picture"));
  folder.write("c.gif", std::string("GIF89a"));
  const PictureFolder pictures(folder.path());
  REQUIRE(pictures.size() == 2);
  CHECK(pictures.describe(0) == (folder.path() / "a/deep/z.png").string());
  CHECK(pictures.get(0).input.to_vector<uint8_t>() == std::vector<uint8_t>{255, 0, 0});
  CHECK(pictures.get(1).input.to_vector<uint8_t>() == std::vector<uint8_t>{0, 0, 255});
  CHECK(pictures.get(1).target.item() == 0);
  REQUIRE(pictures.notes().size() == 1);
  CHECK_THAT(pictures.notes()[0], Catch::Matchers::Contains("GIF (1 file)"));
  CHECK_THROWS_AS(pictures.get(2), ShapeError);
}

TEST_CASE("PictureFolder: a folder without pictures says so") {
  const TempFolder folder;
  CHECK_THROWS_WITH(PictureFolder(folder.path()), Catch::Matchers::Contains("has no pictures in it"));
  CHECK_THROWS_WITH(PictureFolder(folder.path() / "none"), Catch::Matchers::Contains("cannot be read as a folder"));
}
