#include <kindling/io/safetensors.h>

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <ctime>
#include <fstream>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

/// A file from its parts: the length of the header, the header, the data.
std::string bytes_of(uint64_t length, const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string bytes_of(const std::string& header, const std::string& data) {
  return bytes_of(header.size(), header, data);
}

/// What opening a file of these bytes says, without the path; "" if it is accepted.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  std::ofstream(path, std::ios::binary) << bytes;  // not write_file, whose flushing to the disk takes its time
  try {
    const SafetensorsFile file(path);
    for (const TensorEntry& entry : file.entries()) file.read(entry);
    return "";
  } catch (const FileError& error) {
    const std::string text = error.what();
    REQUIRE(text.starts_with(path + ": "));
    return text.substr(path.size() + 2);
  }
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string object(std::initializer_list<std::string> entries) {
  std::string text;
  for (const std::string& entry : entries) {
    text += text.empty() ? "{" : ",";
    text += entry;
  }
  return text + "}";
}

std::string data(size_t bytes) { return std::string(bytes, '\0'); }

}  // namespace

TEST_CASE("tensors of every dtype come back bit for bit") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  const std::vector<NamedTensor> tensors{
      {"pixels", Tensor::from<uint8_t>({0, 127, 255})},
      {"a/weight", Tensor::from<float>({1.5F, -0.0F, 1e-40F, 3e38F, INFINITY, -2.0F}, {2, 3})},
      {"double", Tensor::from<double>({1.0 / 3.0}, {})},
      {"labels", Tensor::from<int64_t>({INT64_MIN, INT64_MAX}, {1, 2})},
      {"empty", Tensor::empty({0, 4})},
      {"\"quoted\"\n\xC3\xA9", Tensor::from<float>({7.0F})}};
  write_safetensors(path, tensors, {{"note", "two\nlines"}});

  const SafetensorsFile file(path);
  CHECK(file.metadata() == Metadata{{"note", "two\nlines"}});
  REQUIRE(file.entries().size() == tensors.size());
  for (const auto& [name, value] : tensors) {
    INFO(name);
    CHECK(bitwise_equal(file.read(name), value));
  }
  for (const TensorEntry& tensor : file.entries()) CHECK(tensor.offset % (tensor.dtype == "U8" ? 1 : 4) == 0);
}

TEST_CASE("a transposed view is written as it looks") {
  const TemporaryFolder folder;
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose();
  write_safetensors(folder / "x", {{"x", x}});
  CHECK(SafetensorsFile(folder / "x").read("x").to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("the header is plain JSON, and the same tensors give the same bytes") {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors{{"w", Tensor::from<float>({1, 2}, {1, 2})}, {"n", Tensor::from<int64_t>({3})}};
  write_safetensors(folder / "a", tensors, {{"k", "v"}});
  write_safetensors(folder / "b", tensors, {{"k", "v"}});
  const std::string bytes = read_file(folder / "a");
  CHECK(bytes == read_file(folder / "b"));
  // The checksums are Python's: zlib.crc32.
  const std::string header =
      R"({"__metadata__":{"kindling_crc32":"e9ac3969 ebadd88a 2e3fa576","k":"v"},"n":{"dtype":"I64","shape":[1],)"
      R"("data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}})";
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(bytes.substr(8, header.size()) == header);
  CHECK(bytes.size() == 8 + length + 16);
}

TEST_CASE("half-precision tensors are widened exactly") {
  const TemporaryFolder folder;
  const std::vector<uint16_t> f16{0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8000, 0x7C00, 0x3555};
  const std::vector<uint16_t> bf16{0x3F80, 0xC000};
  std::string bytes(2 * (f16.size() + bf16.size()), '\0');
  std::memcpy(bytes.data(), f16.data(), 14);
  std::memcpy(bytes.data() + 14, bf16.data(), 4);
  write_file(folder / "x",
             bytes_of(object({entry("h", "F16", "[7]", "[0,14]"), entry("b", "BF16", "[2]", "[14,18]")}), bytes));
  const SafetensorsFile file(folder / "x");
  const std::vector<float> expected{1.0F, -2.0F, 65504.0F, 0x1p-24F, -0.0F, INFINITY, 0x1.554p-2F};
  CHECK(bitwise_equal(file.read("h"), Tensor::from(expected)));
  CHECK(bitwise_equal(file.read("b"), Tensor::from<float>({1.0F, -2.0F})));
}

TEST_CASE("names that cannot be written are refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const Tensor one = Tensor::ones({1});
  CHECK_THROWS_MATCHES(write_safetensors(path, {{"a", one}, {"a", one}}), FileError,
                       Catch::Message(path + ": two tensors are named \"a\""));
  CHECK_THROWS_MATCHES(write_safetensors(path, {{"__metadata__", one}}), FileError,
                       Catch::Message(path + ": a tensor cannot be named \"__metadata__\""));
  CHECK_THROWS_MATCHES(write_safetensors(path, {{"\xFF", one}}), FileError,
                       Catch::Message(path + ": names and metadata must be UTF-8"));
  CHECK(folder.listing().empty());
}

TEST_CASE("a missing file, folder or tensor is named") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  CHECK_THROWS_MATCHES(SafetensorsFile(path), FileError,
                       Catch::Message(path + ": cannot be opened: No such file or directory"));
  CHECK_THROWS_MATCHES(SafetensorsFile(folder.path()), FileError,
                       Catch::Message(folder.path() + ": is not a regular file"));
  write_safetensors(path, {{"a", Tensor::ones({1})}});
  CHECK_THROWS_MATCHES(SafetensorsFile(path).read("b"), FileError, Catch::Message(path + ": has no tensor \"b\""));
}

TEST_CASE("a pipe is refused without waiting for its writer") {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_MATCHES(SafetensorsFile(path), FileError, Catch::Message(path + ": is not a regular file"));
}

TEST_CASE("every bit that changes is found, or changes nothing") {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors{{"w", Tensor::from<float>({1, -2, 3e-9F}, {3, 1})},
                                         {"n", Tensor::from<int64_t>({3, 4})},
                                         {"none", Tensor::empty({0})},
                                         {"pixels", Tensor::from<uint8_t>({1, 2, 3})}};
  write_safetensors(folder / "x", tensors, {{"note", "text"}});
  const std::string whole = read_file(folder / "x");
  const auto read_anew = [&](const std::string& bytes) {
    std::ofstream(folder / "y", std::ios::binary) << bytes;
    const SafetensorsFile file(folder / "y");
    for (const auto& [name, value] : tensors) {
      const Tensor read = file.read(name);
      CHECK(bitwise_equal(read, value));
    }
    CHECK(file.metadata().at("note") == "text");
    CHECK(file.entries().size() == tensors.size());
  };
  read_anew(whole);
  size_t harmless = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      read_anew(flipped);
      ++harmless;
    } catch (const FileError& error) {
      INFO("bit " << bit << ": " << error.what());
      CHECK_THAT(error.what(), Catch::StartsWith((folder / "y") + ": byte "));
    }
  }
  CHECK(harmless <= 8 * std::strlen("kindling_crc32"));  // without their name there are no checksums, but all else
}

TEST_CASE("a wrong checksum is told with the tensor's name and place") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  write_safetensors(path, {{"a", Tensor::ones({2})}, {"b", Tensor::ones({2})}});
  std::string bytes = read_file(path);
  bytes[bytes.size() - 3] ^= 1;
  write_file(path, bytes);
  const SafetensorsFile file(path);
  CHECK(file.has_checksums());
  CHECK(file.read("a").to_vector<float>() == std::vector<float>{1, 1});
  CHECK_THROWS_MATCHES(file.read("b"), FileError,
                       Catch::Message(path + ": byte " + std::to_string(bytes.size() - 8) +
                                      ": tensor \"b\": its checksum is wrong: the file is damaged"));
  bytes[bytes.find("shape")] ^= 1;
  write_file(path, bytes);
  CHECK_THROWS_WITH(SafetensorsFile(path), Catch::StartsWith(path + ": byte 0: the checksum of the header is wrong"));
}

TEST_CASE("checksums that are not this file's are refused") {
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  const std::string elsewhere = R"("__metadata__":{"b":"","kindling_crc32":"00000000 00000000"})";
  CHECK(refusal(bytes_of(object({elsewhere, a}), data(4))) ==
        "byte 8: \"kindling_crc32\" is not one checksum for each tensor");
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(write_safetensors(folder / "x", {}, {{"kindling_crc32", ""}}),
                    (folder / "x") + ": metadata cannot be named \"kindling_crc32\"");
}

TEST_CASE("the header is written, read and searched in time that grows with its length alone") {
  const TemporaryFolder folder;
  constexpr size_t kMany = 200'000;
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < kMany; ++i) tensors.push_back({"tensor" + std::to_string(i), Tensor::empty({0})});
  const std::clock_t begin = std::clock();
  write_safetensors(folder / "x", tensors);
  const SafetensorsFile file(folder / "x");
  size_t found = 0;
  for (const NamedTensor& tensor : tensors) found += file.find(tensor.name) != nullptr ? 1 : 0;
  CHECK(found == kMany);
  // About a second; were one of the three quadratic, it would be many minutes.
  CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < 20);
}

TEST_CASE("a file that is cut short is refused at every length") {
  const std::string whole = bytes_of(object({entry("a", "F32", "[2]", "[0,8]")}), data(8));
  REQUIRE(refusal(whole).empty());
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK_FALSE(refusal(whole.substr(0, length)).empty());
  }
}

TEST_CASE("headers whose length makes no sense are refused") {
  CHECK(refusal("") == "byte 0: not a safetensors file: it has 0 bytes, the length of the header alone takes 8");
  CHECK(refusal(bytes_of(1, "{", "")) == "byte 0: not a safetensors file: a header of 1 bytes");
  CHECK(refusal(bytes_of(100, "{}", "")) == "byte 0: the header is said to have 100 bytes, the file has 10 in all");
  CHECK(refusal(bytes_of(UINT64_MAX, "{}", "")) ==
        "byte 0: not a safetensors file: a header of 18446744073709551615 bytes");
  CHECK(refusal("\x89PNG\r\n\x1A\nxxxxxxxx").starts_with("byte 0: not a safetensors file: a header of "));
}

TEST_CASE("headers that are not JSON are refused where they go wrong") {
  CHECK(refusal(bytes_of("[]", "")) == "byte 8: the header does not begin with '{'");
  CHECK(refusal(bytes_of("{\"a\":}", "")) == "byte 13: the header is not valid JSON");
  CHECK(refusal(bytes_of("{} x", "")) == "byte 11: the header is not valid JSON");
  CHECK(refusal(bytes_of("{\"a\":{\"shape\":[[[1]]]}}", "")) == "byte 8: the header nests too deeply");
  CHECK(refusal(bytes_of("{\"a\":{\"shape\":" + std::string(100'000, '['), "")) ==
        "byte 8: the header nests too deeply");
  CHECK(refusal(bytes_of("{\"\xFF\":1}", "")) == "byte 10: the header is not valid JSON");
  CHECK_THAT(refusal(bytes_of("{\"a\":1e999}", "")),
             Catch::StartsWith("byte 8: the header cannot be read: ") && Catch::Contains("1e999"));
}

TEST_CASE("names that repeat are refused") {
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  CHECK(refusal(bytes_of(object({a, a}), data(4))) == "byte 9: the name \"a\" repeats");
  CHECK(refusal(bytes_of(R"({"a":{"dtype":"F32","dtype":"U8"}})", "")) == "byte 14: the name \"dtype\" repeats");
}

TEST_CASE("integers of other widths become i64, truth values u8") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors", data{
                                                         "\xFE\xFF\xFF\x7F"
                                                         "\xFE\xFF"
                                                         "\x80"
                                                         "\x01\x00",
                                                         9};
  write_file(path, bytes_of(object({entry("wide", "I32", "[1]", "[0,4]"), entry("short", "I16", "[1]", "[4,6]"),
                                    entry("byte", "I8", "[1]", "[6,7]"), entry("mask", "BOOL", "[2]", "[7,9]")}),
                            data));
  const SafetensorsFile file(path);
  CHECK(bitwise_equal(file.read("wide"), Tensor::from<int64_t>({0x7FFFFFFE})));
  CHECK(bitwise_equal(file.read("short"), Tensor::from<int64_t>({-2})));
  CHECK(bitwise_equal(file.read("byte"), Tensor::from<int64_t>({-128})));
  CHECK(bitwise_equal(file.read("mask"), Tensor::from<uint8_t>({1, 0})));
}

TEST_CASE("entries that do not describe a tensor are refused") {
  const auto say = [](const std::string& header, size_t bytes) { return refusal(bytes_of(header, data(bytes))); };
  CHECK(say(R"({"a":1})", 0) == "byte 9: tensor \"a\": is not described by an object");
  CHECK(say(R"({"a":{"dtype":"F32","shape":[]}})", 0) == "byte 9: tensor \"a\": has no \"data_offsets\"");
  CHECK(say(R"({"a":{"dtype":1,"shape":[],"data_offsets":[0,4]}})", 4) ==
        "byte 9: tensor \"a\": dtype is not a string");
  CHECK(say(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4) ==
        "byte 9: tensor \"a\": has entries besides dtype, shape and data_offsets");
  CHECK(say(object({entry("a", "F8", "[4]", "[0,4]")}), 4) ==
        "byte 9: tensor \"a\": dtype F8 is not one of F64, F32, F16, BF16, I64, I32, I16, I8, U32, U16, U8, BOOL");
  CHECK(say(object({entry("a", "F32", "[-1]", "[0,4]")}), 4) ==
        "byte 9: tensor \"a\": shape is not a list of whole numbers from 0 up");
  CHECK(say(object({entry("a", "F32", "[1.0]", "[0,4]")}), 4) ==
        "byte 9: tensor \"a\": shape is not a list of whole numbers from 0 up");
  CHECK(say(object({entry("a", "F32", "[18446744073709551615]", "[0,4]")}), 4) ==
        "byte 9: tensor \"a\": shape is not a list of whole numbers from 0 up");
  CHECK(say(object({entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]")}), 4) ==
        "byte 9: tensor \"a\": rank 9 is above the largest, 8");
  CHECK(say(object({entry("a", "U8", "[0,4611686018427387904,4611686018427387904]", "[0,0]")}), 0) ==
        "byte 9: tensor \"a\": shape [0, 4611686018427387904, 4611686018427387904] has more elements than can be "
        "counted");
  CHECK(say(object({entry("a", "F32", "[1]", "[0]")}), 4) == "byte 9: tensor \"a\": data_offsets are not two numbers");
  CHECK(say(R"({"__metadata__":{"a":1}})", 0) == "byte 9: \"__metadata__\" entry \"a\" is not a string");
  CHECK(say(R"({"__metadata__":"a"})", 0) == "byte 9: \"__metadata__\" is not an object");
}

TEST_CASE("byte ranges that do not fit are refused") {
  const auto say = [](const std::string& entries, size_t bytes) {
    return refusal(bytes_of(object({entries}), data(bytes)));
  };
  CHECK(say(entry("a", "F32", "[2]", "[0,4]"), 4) ==
        "byte 9: tensor \"a\": shape [2] of F32 needs 8 bytes, bytes [0, 4) are 4");
  CHECK(say(entry("a", "F32", "[2]", "[0,8]"), 4) ==
        "byte 9: tensor \"a\": bytes [0, 8) are outside the data, which has 4");
  CHECK(say(entry("a", "F32", "[2]", "[8,0]"), 8) ==
        "byte 9: tensor \"a\": bytes [8, 0) are outside the data, which has 8");
  CHECK(say(entry("a", "F32", "[4294967296,4294967296]", "[0,0]"), 0) ==
        "byte 9: tensor \"a\": shape [4294967296, 4294967296] has more elements than can be counted");
  // A size of 0 after a product that has overflowed hides nothing.
  CHECK(say(entry("a", "F32", "[4294967296,4294967296,0]", "[0,0]"), 0) ==
        "byte 9: tensor \"a\": shape [4294967296, 4294967296, 0] has more elements than can be counted");
}

TEST_CASE("overlaps and holes are refused where they begin") {
  const auto two = [](const std::string& first, const std::string& second) {
    return object({entry("a", "U8", "[4]", first), entry("b", "U8", "[4]", second)});
  };
  const std::string disjoint = two("[4,8]", "[0,4]");
  const auto begin = static_cast<int>(8 + disjoint.size());
  CHECK(refusal(bytes_of(disjoint, data(8))).empty());
  CHECK(refusal(bytes_of(two("[0,4]", "[2,6]"), data(6))) ==
        "byte " + std::to_string(begin + 2) + ": tensors \"a\" and \"b\" overlap");
  CHECK(refusal(bytes_of(two("[0,4]", "[0,4]"), data(4))) ==
        "byte " + std::to_string(begin) + ": tensors \"a\" and \"b\" overlap");
  CHECK(refusal(bytes_of(two("[0,4]", "[5,9]"), data(9))) ==
        "byte " + std::to_string(begin + 4) + ": 1 bytes belong to no tensor");
  CHECK(refusal(bytes_of(two("[0,4]", "[4,8]"), data(11))) ==
        "byte " + std::to_string(begin + 8) + ": 3 bytes belong to no tensor");
}

TEST_CASE("damaged headers are refused or read, never more") {
  const std::string header = object({entry("a", "F32", "[2]", "[0,8]"), entry("b", "U8", "[3]", "[8,11]")});
  const std::string whole = bytes_of(header, data(11));
  Rng rng(7);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    for (int64_t hits = 1 + rng.next_below(3); hits > 0; --hits)
      damaged[static_cast<size_t>(rng.next_below(static_cast<int64_t>(8 + header.size())))] =
          static_cast<char>(rng.next_below(256));
    refused += !refusal(damaged).empty();
  }
  CHECK(refused > 1900);  // a few hits change a name or a blank, which is no damage
}
