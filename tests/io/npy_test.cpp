#include <kindling/io/npy.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/io/pickles.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

/// A .npy of version 1.0, or of a later one.
std::string npy(const std::string& header, const std::string& elements, int version = 1) {
  const std::string length =
      version == 1 ? raw(static_cast<uint16_t>(header.size())) : raw(static_cast<uint32_t>(header.size()));
  return "\x93NUMPY" + std::string{static_cast<char>(version), '\0'} + length + header + elements;
}

std::string header(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

StoredTensor read_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x.npy", std::ios::binary) << bytes;
  return read_npy(folder / "x.npy").tensors.at(0);
}

void load(const std::string& path) { read_npy(path); }
void read_archive(const std::string& path) { read_npz(path); }

}  // namespace

TEST_CASE("a .npy has the bytes that NumPy writes") {
  const TemporaryFolder folder;
  const auto written = [&](const Tensor& tensor) {
    write_npy(folder / "x.npy", tensor);
    return read_file(folder / "x.npy");
  };
  const auto padded = [](std::string text) {
    text.resize(117, ' ');
    return text + '\n';
  };
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(written(x) == npy(padded("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"),
                          raw_elements<float>({1, 2, 3, 4, 5, 6})));
  CHECK(written(x.transpose()) == npy(padded("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"),
                                      raw_elements<float>({1, 4, 2, 5, 3, 6})));
  CHECK(written(Tensor::from<int64_t>({-1})) ==
        npy(padded("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }"), raw_elements<int64_t>({-1})));
  CHECK(written(Tensor::from<double>({0.5}, {})) ==
        npy(padded("{'descr': '<f8', 'fortran_order': False, 'shape': (), }"), raw_elements<double>({0.5})));
  CHECK(written(Tensor::from<uint8_t>({7, 8})) ==
        npy(padded("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"), "\x07\x08"));
}

TEST_CASE("tensors come back from .npy and .npz bit for bit") {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors{{"a/weight", Tensor::from<float>({1.5F, -0.0F, 1e-40F, NAN}, {2, 2, 1})},
                                         {"double", Tensor::from<double>({1.0 / 3.0}, {})},
                                         {"labels", Tensor::from<int64_t>({INT64_MIN, INT64_MAX})},
                                         {"pixels", Tensor::from<uint8_t>({0, 255}, {1, 2})},
                                         {"empty", Tensor::empty({0, 4})}};
  for (const auto& [name, value] : tensors) {
    write_npy(folder / "some.name.npy", value);
    const TensorFile file = read_npy(folder / "some.name.npy");
    REQUIRE(file.tensors.size() == 1);
    CHECK(file.tensors[0].name == "some.name");
    CHECK(bitwise_equal(file.tensors[0].value(), value));
  }
  write_npz(folder / "x.npz", tensors);
  const TensorFile file = read_npz(folder / "x.npz");
  REQUIRE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    CHECK(file.tensors[i].name == tensors[i].name);
    CHECK(bitwise_equal(file.tensors[i].value(), tensors[i].value));
  }
  write_npz(folder / "y.npz", tensors);
  CHECK(read_file(folder / "y.npz") == read_file(folder / "x.npz"));
}

TEST_CASE("every dtype of NumPy that fits, in both byte orders") {
  struct Type {
    std::string descr, dtype, little, big;
    Tensor expected;
  };
  const std::vector<Type> types{
      {"f2", "F16", raw_elements<uint16_t>({0x3E00}), raw_elements<uint16_t>({0x3E00}, true),
       Tensor::from<float>({1.5F})},
      {"f4", "F32", raw_elements<float>({1.5F}), raw_elements<float>({1.5F}, true), Tensor::from<float>({1.5F})},
      {"f8", "F64", raw_elements<double>({1.5}), raw_elements<double>({1.5}, true), Tensor::from<double>({1.5})},
      {"i2", "I16", raw_elements<int16_t>({-300}), raw_elements<int16_t>({-300}, true), Tensor::from<int64_t>({-300})},
      {"i4", "I32", raw_elements<int32_t>({-300}), raw_elements<int32_t>({-300}, true), Tensor::from<int64_t>({-300})},
      {"i8", "I64", raw_elements<int64_t>({-300}), raw_elements<int64_t>({-300}, true), Tensor::from<int64_t>({-300})},
      {"u2", "U16", raw_elements<uint16_t>({65000}), raw_elements<uint16_t>({65000}, true),
       Tensor::from<int64_t>({65000})},
      {"u4", "U32", raw_elements<uint32_t>({4000000000}), raw_elements<uint32_t>({4000000000}, true),
       Tensor::from<int64_t>({4000000000})},
      {"u8", "U64", raw_elements<uint64_t>({INT64_MAX}), raw_elements<uint64_t>({INT64_MAX}, true),
       Tensor::from<int64_t>({INT64_MAX})},
      {"i1", "I8", "\xfe", "\xfe", Tensor::from<int64_t>({-2})},
      {"u1", "U8", "\xfe", "\xfe", Tensor::from<uint8_t>({254})},
      {"b1", "BOOL", "\x01", "\x01", Tensor::from<uint8_t>({1})}};
  for (const Type& type : types)
    for (const char order : {'<', '>'}) {
      INFO(order << type.descr);
      const StoredTensor read =
          read_bytes(npy(header(order + type.descr, "(1,)"), order == '<' ? type.little : type.big));
      CHECK(read.dtype == type.dtype);
      CHECK(bitwise_equal(read.value(), type.expected));
    }
}

TEST_CASE("columns first, in fortran_order") {
  const std::string elements = raw_elements<float>({1, 2, 3, 4, 5, 6});
  CHECK(bitwise_equal(read_bytes(npy(header("<f4", "(2, 3)", "True"), elements)).value(),
                      Tensor::from<float>({1, 3, 5, 2, 4, 6}, {2, 3})));
  CHECK(bitwise_equal(read_bytes(npy(header("<f4", "(1, 3, 2)", "True"), elements)).value(),
                      Tensor::from<float>({1, 4, 2, 5, 3, 6}, {1, 3, 2})));
  CHECK(
      bitwise_equal(read_bytes(npy(header("<f4", "()", "True"), raw(1.5F))).value(), Tensor::from<float>({1.5F}, {})));
}

TEST_CASE("headers of every version, in any order, of Python 2 and 3") {
  const std::string elements = raw_elements<float>({1, 2});
  const Tensor expected = Tensor::from<float>({1, 2}, {2, 1});
  for (const int version : {1, 2, 3})
    CHECK(bitwise_equal(read_bytes(npy(header("<f4", "(2, 1)"), elements, version)).value(), expected));
  CHECK(bitwise_equal(read_bytes(npy("{\"shape\":(2L,1L),'fortran_order':False,'descr':'<f4'}", elements)).value(),
                      expected));
}

TEST_CASE("what is no array of numbers is refused") {
  const std::string four(4, '\0');
  CHECK(refusal("PK\x03\x04", load) == "byte 0: not a file of NumPy: it does not begin with \\x93NUMPY");
  CHECK(refusal(npy(header("<f4", "(1,)"), four, 4), load) == "byte 8: version 4.0; 1.0 to 3.0 are read");
  CHECK_THAT(refusal(npy(header("|O", "(1,)"), four), load), Catch::Contains("elements of type '|O'; f2, f4"));
  CHECK_THAT(refusal(npy(header("<c8", "(1,)"), four), load), Catch::Contains("elements of type '<c8'"));
  CHECK_THAT(refusal(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", four), load),
             Catch::EndsWith("describes structures, which are not read"));
  CHECK_THAT(refusal(npy(header("<f4", "(-1,)"), four), load),
             Catch::EndsWith("has a shape that is no tuple of whole numbers from 0 up"));
  CHECK_THAT(refusal(npy(header("<f4", "(99999999999999999999,)"), four), load),
             Catch::Contains("has a shape that is no tuple"));
  CHECK_THAT(refusal(npy(header("<f4", "(1,1,1,1,1,1,1,1,1)"), four), load),
             Catch::EndsWith("has a shape of more than 8 axes"));
  CHECK_THAT(refusal(npy(header("<f4", "(4611686018427387904, 4)"), four), load),
             Catch::EndsWith("more elements than can be counted"));
  CHECK_THAT(refusal(npy(header("<f4", "(0, 4611686018427387904, 4)"), ""), load),
             Catch::EndsWith("more elements than can be counted"));
  CHECK_THAT(refusal(npy(header("<f4", "(1,)", "None"), four), load),
             Catch::EndsWith("has neither True nor False for fortran_order"));
  CHECK_THAT(refusal(npy("{'descr': '<f4', 'shape': (1,)}", four), load),
             Catch::EndsWith("lacks descr, fortran_order or shape"));
  CHECK_THAT(refusal(npy("{'descr': '<f4', 'other': 1}", four), load),
             Catch::EndsWith("none of descr, fortran_order and shape"));
  CHECK_THAT(refusal(npy(header("<f4", "(1,)") + "x", four), load), Catch::EndsWith("goes on behind the dict"));
  CHECK_THAT(refusal(npy(header("<f4", "(1,)"), four + "x"), load),
             Catch::EndsWith("the array ends here, 1 bytes before the file"));
  CHECK_THAT(refusal(npy(header("<u8", "(2,)"), raw_elements<uint64_t>({1, uint64_t{1} << 63})), load),
             Catch::StartsWith("byte 76: a number of 2^63 or more"));
}

TEST_CASE("a .npz of deflated arrays is read, and what is no array in it is refused") {
  const TemporaryFolder folder;
  const std::string array = npy(header(">f4", "(2,)"), raw_elements<float>({1, 2}, true));
  write_file(folder / "x.npz", zip({{.name = "a/b.npy", .contents = array, .deflate = true}}));
  const TensorFile file = read_npz(folder / "x.npz");
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors[0].name == "a/b");
  CHECK(bitwise_equal(file.tensors[0].value(), Tensor::from<float>({1, 2})));
  for (const std::string name : {"a.txt", "\xFF.npy"})
    CHECK_THAT(refusal(zip({{.name = name, .contents = array}}), read_archive),
               Catch::EndsWith("is not named NAME.npy, in UTF-8"));
  CHECK_THAT(refusal(zip({{.name = "a.npy", .contents = array.substr(0, 70), .deflate = true}}), read_archive),
             Catch::StartsWith("in \"a.npy\": byte 70: the data end here"));
  CHECK_THROWS_MATCHES(write_npz(folder / "y.npz", {{"a", Tensor::ones({1})}, {"a", Tensor::ones({1})}}), FileError,
                       Catch::Message(folder / "y.npz" + ": two tensors are named \"a\""));
}

TEST_CASE("a .npy or .npz that is cut off or changed is refused or read, and nothing else") {
  const std::string array = npy(header("<f4", "(2, 3)"), raw_elements<float>({1, 2, 3, 4, 5, 6}));
  check_truncations(array, load);
  CHECK(refused_after_change(array, load) > 0);
  const std::string archive =
      zip({{.name = "a.npy", .contents = array}, {.name = "b.npy", .contents = array, .deflate = true}});
  check_truncations(archive, read_archive);
  CHECK(refused_after_change(archive, read_archive) > archive.size());
}
