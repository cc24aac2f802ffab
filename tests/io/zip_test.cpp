#include <kindling/io/zip.h>

#include <catch2/catch.hpp>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/io/pickles.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

/// The contents of all entries, "name=contents;".
std::string contents_of(const std::string& bytes) {
  const ZipArchive archive("x", bytes);
  std::string all;
  for (const ZipEntry& entry : archive.entries())
    all += std::string(entry.name) + '=' + std::string(archive.read(entry).bytes()) + ';';
  return all;
}

void load(const std::string& path) {
  const std::string bytes = read_file(path);
  const ZipArchive archive(path, bytes);
  for (const ZipEntry& entry : archive.entries()) archive.read(entry);
}

std::string refusal_of(const std::vector<Entry>& entries) { return refusal(zip(entries), load); }

const std::string kLong(3000, 'x');

}  // namespace

TEST_CASE("stored and deflated entries are read, with a comment and zip64 fields or without") {
  const std::string expected = "a=one;b/c=" + kLong + ";empty=;";
  for (const bool zip64 : {false, true}) {
    const std::vector<Entry> entries{{.name = "a", .contents = "one", .zip64 = zip64},
                                     {.name = "b/c", .contents = kLong, .deflate = true, .zip64 = zip64},
                                     {.name = "empty", .contents = "", .zip64 = zip64}};
    CHECK(contents_of(zip(entries)) == expected);
    CHECK(contents_of(zip(entries, "", "a comment")) == expected);
  }
  CHECK(contents_of(zip({})) == "");
}

TEST_CASE("the directory may be told by zip64 records") {
  const std::vector<Entry> entries{{.name = "a", .contents = "one"}, {.name = "b", .contents = "two"}};
  const std::string plain = zip(entries), end = plain.substr(plain.size() - 22);
  const std::string body = plain.substr(0, plain.size() - 22);
  uint32_t bytes = 0, place = 0;
  std::memcpy(&bytes, end.data() + 12, 4);
  std::memcpy(&place, end.data() + 16, 4);
  const auto with_place = [&](uint64_t directory) {
    return body + "PK\x06\x06" + raw<uint64_t>(44) + std::string(12, '\0') + raw<uint64_t>(2) + raw<uint64_t>(2) +
           raw<uint64_t>(bytes) + raw(directory) + "PK\x06\x07" + raw<uint32_t>(0) +
           raw(static_cast<uint64_t>(body.size())) + raw<uint32_t>(1) + "PK\x05\x06" + std::string(4, '\0') +
           std::string(12, '\xff') + raw<uint16_t>(0);
  };
  CHECK(contents_of(with_place(place)) == "a=one;b=two;");
  CHECK_THAT(refusal(with_place(UINT64_MAX - 4), load), Catch::Contains("the directory is said to have"));
}

TEST_CASE("an entry is found by its name") {
  const std::string bytes = zip({{.name = "a", .contents = "one"}, {.name = "b", .contents = "two"}});
  const ZipArchive archive("x", bytes);
  CHECK(archive.read(*archive.find("b")).bytes() == "two");
  CHECK(archive.find("c") == nullptr);
}

TEST_CASE("archives that lie are refused") {
  CHECK(refusal_of({{.name = "a", .contents = "x"}, {.name = "a", .contents = "y"}}) ==
        "byte 111: a second entry is named \"a\"");
  CHECK(refusal_of({{.name = "a", .contents = "x", .flags = 1}}) == "byte 32: entry \"a\" is encrypted");
  CHECK(refusal_of({{.name = "a", .contents = "x", .method = 12}}) ==
        "byte 32: entry \"a\" is compressed by method 12, which is not read");
  CHECK(refusal_of({{.name = "a", .contents = "x", .lie = 4}}) ==
        "byte 32: entry \"a\" is stored as it is, but with 1 bytes for its 5");
  CHECK(refusal_of({{.name = "a", .contents = "x", .bad_crc32 = true}}) ==
        "byte 31: entry \"a\": its checksum is wrong: the file is damaged");
  CHECK(refusal_of({{.name = "a", .contents = kLong, .deflate = true, .bad_crc32 = true}}) ==
        "byte 31: entry \"a\": its checksum is wrong: the file is damaged");
  for (const int64_t lie : {-1, 1})
    CHECK(refusal_of({{.name = "a", .contents = kLong, .deflate = true, .lie = lie}}) ==
          "byte 31: entry \"a\": its compressed data are damaged");
  CHECK(refusal("PK", load) == "byte 2: no zip archive ends here: the file is cut off, or it is of another kind");
}

TEST_CASE("an entry that says it inflates to more than deflate can do is refused before any memory is taken") {
  const std::string data = deflated("x");
  const Entry bomb{.name = "a", .contents = "x", .deflate = true, .lie = int64_t{1} << 31};
  CHECK(refusal_of({bomb}) ==
        "byte 34: entry \"a\" has " + std::to_string(data.size()) + " bytes, which cannot inflate to 2147483649");
  const std::string zeros(1 << 20, '\0');  // as far as deflate goes
  CHECK(contents_of(zip({{.name = "a", .contents = zeros, .deflate = true}})) == "a=" + zeros + ';');
}

TEST_CASE("entries that share bytes of the file are refused") {
  std::string bytes = zip({{.name = "a", .contents = "one"}, {.name = "b", .contents = "two"}});
  // The first entry becomes so long that it covers the second: 3 bytes and the 34 of the other.
  const size_t record = bytes.find("PK\x01\x02");
  bytes[record + 20] = bytes[record + 24] = 37;
  CHECK(refusal(bytes, load) == "byte 34: entries overlap here");
}

TEST_CASE("an archive that is cut off or changed") {
  const std::string bytes = zip({{.name = "a", .contents = "one"}, {.name = "b", .contents = kLong, .deflate = true}});
  check_truncations(bytes, load);
  CHECK(refused_after_change(bytes, load) > bytes.size());
}

TEST_CASE("what is written is read, begins at multiples of 64 bytes, and has the same bytes each time") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& path) {
    ZipWriter file(path);
    file.add("a", {"one"});
    file.add("folder/" + std::string(100, 'n'), {"t", "w", "o"});
    file.add("empty", {});
    file.commit();
    return read_file(path);
  };
  const std::string bytes = write(folder / "x");
  CHECK(contents_of(bytes) == "a=one;folder/" + std::string(100, 'n') + "=two;empty=;");
  CHECK(write(folder / "y") == bytes);
  const ZipArchive archive("x", bytes);
  for (const ZipEntry& entry : archive.entries()) CHECK(entry.offset % 64 == 0);
  CHECK(folder.listing() == "x y");
}

TEST_CASE("an archive that is not finished leaves nothing behind") {
  const TemporaryFolder folder;
  ZipWriter(folder / "x").add("a", {"one"});
  CHECK(folder.listing().empty());
  const std::string path = folder / "x";
  ZipWriter file(path);
  CHECK_THROWS_MATCHES(file.add(std::string(40000, 'n'), {""}), FileError,
                       Catch::Message(path + ": a name of 40000 bytes"));
}
