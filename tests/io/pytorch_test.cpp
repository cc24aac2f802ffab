#include <kindling/io/pytorch.h>

#include <cmath>

#include <catch2/catch.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/crc32.h>
#include <kindling/io/elements.h>
#include <kindling/io/zip.h>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/io/pickles.h>
#include <kindling/tests/support/shared_data.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

TensorFile read_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << bytes;
  return read_pytorch(folder / "x");
}

void load(const std::string& path) { read_pytorch(path); }

std::string names_of(const TensorFile& file) {
  std::string names;
  for (const StoredTensor& tensor : file.tensors) names += (names.empty() ? "" : " ") + tensor.name;
  return names;
}

const std::vector<float> kTwelve{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/// An archive of this state_dict, whose storage 0 has kTwelve.
std::string archive(const std::string& state, std::vector<Entry> others = {}) {
  std::vector<Entry> entries{{.name = "x/data.pkl", .contents = testing::pickle(state)}};
  entries.insert(entries.end(), others.begin(), others.end());
  entries.push_back({.name = "x/data/0", .contents = raw_elements(kTwelve)});
  return zip(entries);
}

std::string floats(std::initializer_list<int64_t> shape, std::initializer_list<int64_t> strides, int64_t offset = 0) {
  return tensor(storage("Float", "0", 12), offset, shape, strides);
}

/// What torch.save wrote before 1.6, with storage 0 of kTwelve.
std::string legacy(const std::string& state, const std::string& keys = text("0") + "a",
                   const std::string& storages = raw<int64_t>(12) + raw_elements(kTwelve)) {
  const std::string magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const std::string machine = dict({text("little_endian"), "\x88", text("protocol_version"), "M\xe9\x03"});
  return testing::pickle(magic) + testing::pickle("M\xe9\x03") + testing::pickle(machine) + testing::pickle(state) +
         testing::pickle("]" + keys) + storages;
}

std::string legacy_floats(std::initializer_list<int64_t> shape, std::initializer_list<int64_t> strides) {
  const std::string id =
      tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(12), "N"});
  return tensor(id + 'Q', 0, shape, strides);
}

/// What read_pytorch says of an archive with this state_dict.
std::string refusal_of(const std::string& state) { return refusal(archive(state), load); }

}  // namespace

TEST_CASE("what write_pytorch writes, read_pytorch reads: names, order, bits and metadata") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.pth";
  const std::vector<NamedTensor> tensors{
      {"features.0.weight", Tensor::from<float>({1.5F, -0.0F, 1e-40F, 3e38F, NAN, -2.0F}, {2, 3, 1, 1})},
      {"double", Tensor::from<double>({1.0 / 3.0}, {})},
      {"labels", Tensor::from<int64_t>({INT64_MIN, INT64_MAX}, {1, 2})},
      {"pixels", Tensor::from<uint8_t>({0, 127, 255})},
      {"empty", Tensor::empty({0, 4})},
      {"transposed \xC3\xA9", Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose()}};
  const Metadata metadata{{"description", R"({"classes":["a"]})"}, {"note", "two\nlines \xC3\xA9"}};
  write_pytorch(path, tensors, metadata);

  const TensorFile file = read_pytorch(path);
  CHECK(file.path == path);
  CHECK(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    INFO(tensors[i].name);
    CHECK(file.tensors[i].name == tensors[i].name);
    CHECK(file.tensors[i].dtype == file_dtype(tensors[i].value.dtype()));
    CHECK(bitwise_equal(file.tensors[i].value(), tensors[i].value.contiguous()));
  }
  write_pytorch(folder / "y.pth", tensors, metadata);
  CHECK(read_file(folder / "y.pth") == read_file(path));
}

TEST_CASE("the archive has PyTorch's entries, aligned to 64 bytes, and PyTorch's pickle") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.pth";
  write_pytorch(path, {{"w", Tensor::from<float>({1, 2}, {2, 1})}});
  const std::string bytes = read_file(path);
  const ZipArchive archive(path, bytes);
  std::string names;
  for (const ZipEntry& entry : archive.entries()) {
    names += std::string(entry.name) + ' ';
    CHECK(entry.offset % 64 == 0);
  }
  CHECK(names == "archive/data.pkl archive/byteorder archive/data/0 archive/version ");
  CHECK(archive.read(*archive.find("archive/data/0")).bytes() == raw_elements<float>({1, 2}));
  CHECK(archive.read(*archive.find("archive/byteorder")).bytes() == "little");
  // As pickletools.dis shows what torch.save writes, without what the memo keeps.
  const auto small = [](int32_t n) { return 'J' + raw(n); };
  const std::string id = tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), small(2)});
  const std::string expected = global("collections", "OrderedDict") + ")R(" + text("w") +
                               global("torch._utils", "_rebuild_tensor_v2") +
                               tuple({id + 'Q', small(0), tuple({small(2), small(1)}), tuple({small(1), small(1)}),
                                      "\x89", global("collections", "OrderedDict") + ")R"}) +
                               "Ru";
  CHECK(archive.read(*archive.find("archive/data.pkl")).bytes() == testing::pickle(expected));
}

TEST_CASE("what cannot be written to a .pth is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const Tensor one = Tensor::ones({1});
  const auto message = [&](const std::string& text) { return Catch::Message(path + ": " + text); };
  CHECK_THROWS_MATCHES(write_pytorch(path, {{"a", one}, {"a", one}}), FileError,
                       message("two tensors are named \"a\""));
  CHECK_THROWS_MATCHES(write_pytorch(path, {{"\xFF", one}}), FileError, message("names and metadata must be UTF-8"));
  CHECK_THROWS_MATCHES(write_pytorch(path, {}, {{"a", "\xFF"}}), FileError,
                       message("names and metadata must be UTF-8"));
  CHECK_THROWS_MATCHES(write_pytorch(path, {}, {{"a", std::string(5 << 20, 'x')}}), FileError,
                       message("the metadata have more than 4 MB"));
  CHECK(folder.listing().empty());
}

TEST_CASE("every dtype of PyTorch in both byte orders, stored and deflated") {
  struct Type {
    std::string storage, dtype, little, big;
    Tensor expected;
  };
  const std::vector<Type> types{
      {"Float", "F32", raw_elements<float>({1.5F, -2}), raw_elements<float>({1.5F, -2}, true),
       Tensor::from<float>({1.5F, -2})},
      {"Double", "F64", raw_elements<double>({1.5, -2}), raw_elements<double>({1.5, -2}, true),
       Tensor::from<double>({1.5, -2})},
      {"Half", "F16", raw_elements<uint16_t>({0x3E00, 0xC000}), raw_elements<uint16_t>({0x3E00, 0xC000}, true),
       Tensor::from<float>({1.5F, -2})},
      {"BFloat16", "BF16", raw_elements<uint16_t>({0x3FC0, 0xC000}), raw_elements<uint16_t>({0x3FC0, 0xC000}, true),
       Tensor::from<float>({1.5F, -2})},
      {"Long", "I64", raw_elements<int64_t>({300, -2}), raw_elements<int64_t>({300, -2}, true),
       Tensor::from<int64_t>({300, -2})},
      {"Int", "I32", raw_elements<int32_t>({300, -2}), raw_elements<int32_t>({300, -2}, true),
       Tensor::from<int64_t>({300, -2})},
      {"Short", "I16", raw_elements<int16_t>({300, -2}), raw_elements<int16_t>({300, -2}, true),
       Tensor::from<int64_t>({300, -2})},
      {"Char", "I8", "\x07\xfe", "\x07\xfe", Tensor::from<int64_t>({7, -2})},
      {"Byte", "U8", "\x07\xfe", "\x07\xfe", Tensor::from<uint8_t>({7, 254})},
      {"Bool", "BOOL", std::string("\x01\x00", 2), std::string("\x01\x00", 2), Tensor::from<uint8_t>({1, 0})},
  };
  for (const Type& type : types)
    for (const bool big : {false, true})
      for (const bool deflate : {false, true}) {
        INFO(type.storage << (big ? ", big-endian" : ", little-endian") << (deflate ? ", deflated" : ""));
        const std::string state = dict({text("w"), tensor(storage(type.storage, "5", 2), 0, {2}, {1})});
        const TensorFile file =
            read_bytes(zip({{.name = "x/data.pkl", .contents = testing::pickle(state), .deflate = deflate},
                            {.name = "x/byteorder", .contents = big ? "big" : "little"},
                            {.name = "x/data/5", .contents = big ? type.big : type.little, .deflate = deflate}}));
        REQUIRE(file.tensors.size() == 1);
        CHECK(file.tensors[0].dtype == type.dtype);
        CHECK(bitwise_equal(file.tensors[0].value(), type.expected));
      }
}

TEST_CASE("tensors are views of storages, with offset and strides") {
  const auto one = [](const std::string& tensor) {
    return read_bytes(archive(dict({text("w"), tensor}))).tensors.at(0).value();
  };
  CHECK(bitwise_equal(one(floats({3, 4}, {4, 1})), Tensor::from(kTwelve, {3, 4})));
  CHECK(bitwise_equal(one(floats({4, 3}, {1, 4})), Tensor::from(kTwelve, {3, 4}).transpose().contiguous()));
  CHECK(one(floats({2, 2}, {4, 2}, 5)).to_vector<float>() == std::vector<float>{5, 7, 9, 11});
  CHECK(one(floats({2, 3}, {0, 1}, 9)).to_vector<float>() == std::vector<float>{9, 10, 11, 9, 10, 11});
  CHECK(one(floats({}, {}, 7)).item<float>() == 7);
  CHECK(one(floats({5, 0}, {1, 1})).shape() == Shape{5, 0});
  const Tensor odd_strides = one(floats({1, 12}, {99, 1}));  // of an axis of size 1 they do not matter
  CHECK(odd_strides.strides() == Shape{12, 1});

  const TensorFile tied = read_bytes(archive(dict({text("a"), floats({12}, {1}), text("b"), floats({3, 4}, {4, 1})})));
  CHECK(tied.tensors[0].value().storage() == tied.tensors[1].value().storage());
}

TEST_CASE("parameters are tensors, and sizes may be a torch.Size") {
  const std::string size = global("torch", "Size") + integers({12}) + "\x85R";
  const std::string rebuild = global("torch._utils", "_rebuild_tensor") +
                              tuple({storage("Float", "0", 12), integer(0), size, integers({1})}) + 'R';
  const std::string parameter = global("torch._utils", "_rebuild_parameter") +
                                tuple({rebuild, "\x88", global("collections", "OrderedDict") + ")R"}) + 'R';
  CHECK(bitwise_equal(read_bytes(archive(dict({text("w"), parameter}))).tensors.at(0).value(), Tensor::from(kTwelve)));
}

TEST_CASE("nested dicts and lists give names with dots, and what is no tensor is passed over") {
  const std::string w = floats({12}, {1});
  CHECK(names_of(read_bytes(
            archive(dict({text("a"), dict({text("weight"), w, text("b"), tuple({w, dict({text("c"), w}), "N"})}),
                          integer(7), w, text("lr"), "K\x01"})))) == "a.weight a.b.0 a.b.1.c 7");
  CHECK(names_of(read_bytes(archive("]" + w + "a" + w + "a"))) == "0 1");
  const TensorFile alone = read_bytes(archive(w));
  REQUIRE(alone.tensors.size() == 1);
  CHECK(alone.tensors[0].name == "");
  CHECK(names_of(read_bytes(archive("}"))) == "");
}

TEST_CASE("of a checkpoint only the state_dict is read, and what is known of it becomes metadata") {
  const std::string w = floats({12}, {1});
  for (const std::string wrapper : {"state_dict", "model_state_dict", "model"}) {
    const TensorFile file =
        read_bytes(archive(dict({text("epoch"), "K\x05", text("arch"), text("squeezenet1_1"), text("lr"),
                                 'G' + std::string("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), text("ema"), "\x89",
                                 text("none"), "N", text(wrapper), dict({text("conv.weight"), w}), text("optimizer"),
                                 dict({text("state"), dict({"K\x01", dict({text("momentum"), w})})})})));
    CHECK(names_of(file) == "conv.weight");
    CHECK(file.metadata == Metadata{{"arch", "squeezenet1_1"}, {"ema", "false"}, {"epoch", "5"}, {"lr", "0.1"}});
  }
  CHECK(names_of(read_bytes(archive(dict({text("model"), w})))) == "model");  // no dict: a name like any other
}

TEST_CASE("a list without tensors may stand in several places") {
  const std::string state = "}(" + text("a") + "]q\x07" + text("b") + "h\x07" + text("w") + floats({12}, {1}) + "u";
  CHECK(names_of(read_bytes(archive(state))) == "w");
}

TEST_CASE("the legacy form is read") {
  const TensorFile file =
      read_bytes(legacy(dict({text("a"), legacy_floats({3, 4}, {4, 1}), text("b"), legacy_floats({4, 3}, {1, 4})})));
  CHECK(names_of(file) == "a b");
  CHECK(bitwise_equal(file.tensors[0].value(), Tensor::from(kTwelve, {3, 4})));
  CHECK(bitwise_equal(file.tensors[1].value(), Tensor::from(kTwelve, {3, 4}).transpose().contiguous()));
}

TEST_CASE("os.system in any form of PyTorch's files is refused and named") {
  const std::string evil = global("os", "system") + tuple({text("touch /tmp/x")}) + "R";
  CHECK_THAT(refusal_of(evil), Catch::StartsWith("byte 42: names os.system, which is none of"));
  CHECK_THAT(refusal(legacy(evil), load), Catch::StartsWith("byte 72: names os.system, which is none of"));
  CHECK_THAT(refusal(testing::pickle(evil), load), Catch::StartsWith("byte 2: names os.system, which is none of"));
  CHECK_THAT(refusal(zip({{.name = "x/data.pkl", .contents = testing::pickle(evil), .deflate = true}}), load),
             Catch::StartsWith("in \"x/data.pkl\": byte 2: names os.system, which is none of"));
}

TEST_CASE("files of other kinds are refused, with what they are") {
  CHECK(refusal("", load) == "byte 0: neither of the forms that torch.save writes, a zip archive or pickles");
  CHECK(refusal(std::string(257, '\0') + "ustar", load) ==
        "byte 0: a tar archive, as torch.save wrote it in 2016: load it with PyTorch and save it again");
  CHECK(refusal(zip({{.name = "a", .contents = ""}}), load) ==
        "is a zip archive, but none that torch.save writes: it has no entry \"NAME/data.pkl\"");
  CHECK(refusal(zip({{.name = "x/data.pkl", .contents = ""}, {.name = "x/constants.pkl", .contents = ""}}), load) ==
        "is a TorchScript program, not weights: write model.state_dict() with torch.save");
  CHECK(refusal(testing::pickle("}"), load) == "byte 0: a pickle, but not of torch.save");
  CHECK(refusal(testing::pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + testing::pickle("K\x01"), load) ==
        "byte 15: not version 1001 of the form that torch.save used before 1.6");
}

TEST_CASE("tensors that do not fit their storage are refused") {
  const auto fit = [](const std::string& shape) {
    return "a tensor of shape " + shape + " does not fit its storage of 12 elements";
  };
  const auto refusal_of_tensor = [](const std::string& tensor) { return refusal_of(dict({text("w"), tensor})); };
  const int64_t huge = int64_t{1} << 62;
  CHECK_THAT(refusal_of_tensor(floats({13}, {1})), Catch::EndsWith(fit("[13], strides [1] and offset 0")));
  CHECK_THAT(refusal_of_tensor(floats({12}, {1}, 1)), Catch::EndsWith(fit("[12], strides [1] and offset 1")));
  CHECK_THAT(refusal_of_tensor(floats({2, 3}, {1})), Catch::EndsWith(fit("[2, 3], strides [1] and offset 0")));
  CHECK_THAT(refusal_of_tensor(floats({2}, {INT64_MAX}, 5)), Catch::Contains("does not fit"));
  CHECK_THAT(refusal_of_tensor(floats({huge, huge}, {0, 0})), Catch::Contains("does not fit"));
  CHECK_THAT(refusal_of_tensor(floats({0, huge, huge}, {0, 0, 0})), Catch::Contains("does not fit"));
  CHECK_THAT(refusal_of_tensor(floats({-1}, {1})),
             Catch::EndsWith("the sizes of a tensor are not whole numbers from 0 up"));
  CHECK_THAT(refusal_of_tensor(floats({2}, {-1})),
             Catch::EndsWith("the strides of a tensor are not whole numbers from 0 up"));
  CHECK_THAT(refusal_of_tensor(floats({1, 1, 1, 1, 1, 1, 1, 1, 1}, {})),
             Catch::EndsWith("rank 9 is above the largest, 8"));
  CHECK_THAT(refusal_of_tensor(tensor("N", 0, {1}, {1})),
             Catch::EndsWith("a tensor is not made of storage, offset, shape and strides"));
  CHECK_THAT(refusal_of_tensor(tensor(storage("Float", "1", 1), 0, {1}, {1})),
             Catch::EndsWith("the file has no storage \"1\""));
  CHECK_THAT(refusal_of_tensor(tensor(storage("Float", "0", 11), 0, {1}, {1})),
             Catch::EndsWith("storage \"0\" of 11 F32 has 48 bytes"));
  CHECK_THAT(refusal_of_tensor(tensor(storage("Float", "0", huge), 0, {1}, {1})), Catch::Contains("has 48 bytes"));
  CHECK_THAT(refusal_of_tensor(tensor(text("storage") + "\x85Q", 0, {1}, {1})),
             Catch::EndsWith("a persistent object that is no storage"));
  CHECK_THAT(refusal_of(dict({text("a"), floats({12}, {1}), text("b"), tensor(storage("Int", "0", 12), 0, {12}, {1})})),
             Catch::Contains("storage 0 has another type or size than at byte"));
  CHECK_THAT(refusal_of(dict({text("a"), floats({12}, {1}), text("a"), floats({12}, {1})})),
             Catch::EndsWith("two tensors are named \"a\""));
  CHECK_THAT(refusal_of(dict({text("\xFF"), floats({12}, {1})})), Catch::EndsWith("the name of a tensor is not UTF-8"));
  CHECK_THAT(refusal_of(dict({"N", floats({12}, {1})})),
             Catch::EndsWith("a key of a dict is neither text nor integer"));
}

TEST_CASE("damage of the legacy form is refused") {
  const std::string state = dict({text("a"), legacy_floats({12}, {1})}), data = raw_elements(kTwelve);
  const std::string key = text("0") + "a";
  CHECK_THAT(refusal(legacy(state, text("1") + "a"), load), Catch::EndsWith("storage \"1\" belongs to no tensor"));
  CHECK_THAT(refusal(legacy(state, "", ""), load), Catch::EndsWith("the file has no storage \"0\" of 12 F32"));
  CHECK_THAT(refusal(legacy(state, key, raw<int64_t>(11) + data), load),
             Catch::EndsWith("storage \"0\" has another size than its 12 elements"));
  CHECK_THAT(refusal(legacy(state, key + key, raw<int64_t>(12) + data + raw<int64_t>(12) + data), load),
             Catch::EndsWith("storage \"0\" is there twice"));
  CHECK_THAT(refusal(legacy(state) + "x", load),
             Catch::EndsWith("the last storage ends here, 1 bytes before the file"));
}

TEST_CASE("damage of the archive is refused") {
  const std::string state = dict({text("a"), floats({12}, {1})});
  CHECK_THAT(refusal(archive(state, {{.name = "x/byteorder", .contents = "middle"}}), load),
             Catch::EndsWith("the byte order is neither little nor big"));
  for (const std::string json : {"{\"a\":1}", "[]", "{"})
    CHECK_THAT(refusal(archive(state, {{.name = "x/extra/kindling.json", .contents = json}}), load),
               Catch::EndsWith("the metadata are not a JSON object of texts"));
  CHECK_THAT(refusal(zip({{.name = "x/data.pkl", .contents = testing::pickle("}") + "x"}}), load),
             Catch::EndsWith("the pickle ends here, 1 bytes early"));
}

TEST_CASE("a few bytes that ask for much memory or time are refused") {
  const auto refusal_of_tensor = [](const std::string& tensor) { return refusal_of(dict({text("w"), tensor})); };
  const std::string too_much = "the tensors would take far more memory than the file has bytes";
  CHECK_THAT(refusal_of_tensor(floats({int64_t{1} << 40}, {0})), Catch::EndsWith(too_much));
  CHECK_THAT(refusal_of_tensor(floats({INT64_MAX}, {0})), Catch::EndsWith(too_much));

  std::string many = "}(";  // 40 MB each, two are too much
  for (const std::string name : {"a", "b"}) many += text(name) + floats({10'000'000}, {0});
  CHECK_THAT(refusal_of(many + "u"), Catch::EndsWith(too_much));

  std::string nothing = "](" + text(std::string(1 << 20, 'n')) + "q\x01" + "0";
  for (int i = 0; i < 100; ++i) nothing += "}h\x01}s";  // no tensor, but names that take time to put together
  CHECK_THAT(refusal_of(nothing + "e"), Catch::EndsWith(too_much));

  std::string names = "](" + text(std::string(1 << 20, 'n')) + "q\x01" + "0" + floats({12}, {1}) + "q\x02" + "0";
  for (int i = 0; i < 100; ++i) names += "}h\x01h\x02s";  // a hundred dicts with the same long name
  CHECK_THAT(refusal_of(names + "e"), Catch::EndsWith(too_much));

  std::string dicts = "}" + text("w") + floats({12}, {1}) + "sq\x01";  // 2^40 paths to one tensor
  for (int i = 0; i < 40; ++i) dicts += "0}(" + text("a") + "h\x01" + text("b") + "h\x01uq\x01";
  CHECK_THAT(refusal_of(dicts), Catch::EndsWith("a dict or list with tensors stands in two places"));

  CHECK_THAT(refusal_of("}q\x01" + text("a") + "h\x01s"),
             Catch::EndsWith("a dict or list with tensors stands in two places"));

  std::string deep, ends;
  for (int i = 0; i < 65; ++i) deep += "}" + text("a"), ends += "s";
  CHECK_THAT(refusal_of(deep + floats({12}, {1}) + ends), Catch::EndsWith("dicts nest more than 64 deep"));
}

TEST_CASE("a deflated storage with more bytes than its tensor needs is not inflated") {
  const std::string state = dict({text("w"), floats({12}, {1})});
  CHECK_THAT(refusal(zip({{.name = "x/data.pkl", .contents = testing::pickle(state)},
                          {.name = "x/data/0", .contents = std::string(1 << 20, '\0'), .deflate = true}}),
                     load),
             Catch::EndsWith("storage \"0\" of 12 F32 has 1048576 bytes"));
}

TEST_CASE("a .pth that is cut off or changed is refused or read, and nothing else") {
  const TemporaryFolder folder;
  write_pytorch(folder / "x", {{"w", Tensor::ones({2})}}, {{"a", "b"}});
  const std::string written = read_file(folder / "x");
  check_truncations(written, load);
  CHECK(refused_after_change(written, load) > written.size());
  const std::string old = legacy(dict({text("a"), legacy_floats({3, 4}, {4, 1})}));
  check_truncations(old, load);
  CHECK(refused_after_change(old, load) > old.size());
}

TEST_CASE("the ImageNet weights of SqueezeNet v1.1, as PyTorch writes them") {
  const auto path = shared_data("squeezenet_v1_1_imagenet/squeezenet1_1.pth");
  if (!path) return;
  const TensorFile file = read_pytorch(path->string());
  REQUIRE(file.tensors.size() == 52);
  int64_t parameters = 0;
  for (const StoredTensor& tensor : file.tensors) {
    CHECK(tensor.dtype == "F32");
    parameters += tensor.shape.numel();
  }
  CHECK(parameters == 1'235'496);
  CHECK(file.tensors.front().name == "features.0.weight");
  CHECK(file.tensors.front().shape == Shape{64, 3, 3, 3});
  CHECK(file.tensors.back().name == "classifier.1.bias");
  CHECK(file.tensors[50].name == "classifier.1.weight");
  CHECK(file.tensors[50].shape == Shape{1000, 512, 1, 1});
  // zlib.crc32 of what torch.load gives
  CHECK(crc32(bytes_of(file.tensors.front().value())) == 0x6200c700);
  CHECK(crc32(bytes_of(file.tensors[50].value())) == 0x899d344c);
}
