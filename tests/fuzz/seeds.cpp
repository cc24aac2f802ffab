#include <kindling/tests/fuzz/seeds.h>

#include <filesystem>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/caffe.h>
#include <kindling/io/kndz.h>
#include <kindling/io/npy.h>
#include <kindling/io/pytorch.h>
#include <kindling/io/zip.h>
#include <kindling/models/definition.h>
#include <kindling/tests/io/pickles.h>
#include <kindling/tests/support/bmp.h>
#include <kindling/tests/support/temporary_folder.h>

namespace kindling::fuzz {
namespace {

using testing::raw;
using Seeds = std::vector<std::string>;

/// The bytes of the file that write(path) writes.
template <class Write>
std::string written(Write write) {
  const TemporaryFolder folder;
  write(folder / "x");
  return read_file(folder / "x");
}

std::vector<NamedTensor> small_tensors() {
  return {{"conv1/weight", Tensor::ones({2, 1, 2, 2})},
          {"conv1/bias", Tensor::full({2}, 0.5)},
          {"fc/weight", Tensor::zeros({1, 3})}};
}

Seeds safetensors_seeds() {
  const std::vector<NamedTensor> tensors{
      {"a", Tensor::ones({2, 3})}, {"b", Tensor::zeros({1}, DType::i64)}, {"c", Tensor::zeros({0, 4}, DType::u8)}};
  const std::string header =  // of another program, without checksums
      R"({"__metadata__":{"format":"pt"},"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
      R"("s":{"dtype":"I16","shape":[1,2],"data_offsets":[4,8]},"o":{"dtype":"BOOL","shape":[],"data_offsets":[8,9]}})";
  return {written([&](const std::string& path) {
            write_safetensors(path, tensors, {{"note", "text"}});
          }),
          raw(static_cast<uint64_t>(header.size())) + header + std::string(9, '\1')};
}

/// See pytorch.cpp.
std::string parts(int flags, const std::string& pickle, const std::string& storage) {
  return static_cast<char>(flags) + raw(static_cast<uint16_t>(pickle.size())) + pickle + storage;
}

Seeds pytorch_seeds() {
  using namespace testing;
  const auto floats = [](std::initializer_list<int64_t> shape, std::initializer_list<int64_t> strides) {
    return tensor(storage("Float", "0", 6), 0, shape, strides);
  };
  const std::string state = dict({text("a"), floats({2, 3}, {3, 1}), text("b"), floats({3, 2}, {1, 3})});
  const std::string nested = dict({text("state_dict"), dict({text("m"), "]" + floats({6}, {1}) + "a"}), text("epoch"),
                                   integer(7), text("lr"), "G" + std::string(8, '\0')});
  const std::string ordered = global("collections", "OrderedDict") + ")R(" + text("x") +
                              tensor(storage("Short", "0", 6), 1, {4}, {1}) + "uq\1}" + text("_metadata") + "h\1sb";
  const std::string six(6 * sizeof(float), '\0');
  const std::string id =
      tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(6), "N"});
  const std::string legacy = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("M\xe9\x03") +
                             pickle("}") + pickle(dict({text("a"), tensor(id + 'Q', 0, {2, 3}, {3, 1})})) +
                             pickle("]" + text("0") + "a") + raw<int64_t>(6) + six;
  return {written([](const std::string& path) {
            write_pytorch(path, small_tensors(), {{"note", "text"}});
          }),
          legacy, parts(0, pickle(state), six), parts(1, pickle(nested), six),
          parts(2, pickle(ordered), std::string(12, '\1'))};
}

Seeds npy_seeds() {
  const auto npy = [](const std::string& header, const std::string& elements) {
    return std::string("\x93NUMPY\1\0", 8) + raw(static_cast<uint16_t>(header.size())) + header + elements;
  };
  return {written([](const std::string& path) {
            write_npy(path, Tensor::ones({2, 3}));
          }),
          npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2L, 1, 3), }\n", std::string(12, '\1')),
          npy(R"({"descr": "|b1", "shape": (), "fortran_order": False})", "\1"),
          npy("{'descr': '<u8', 'fortran_order': False, 'shape': (2,), }\n", std::string(16, '\0'))};
}

Seeds caffemodel_seeds() {
  const CaffeNet net{"",
                     "net",
                     {{"conv1", "Convolution", {Tensor::ones({2, 1, 2, 2}), Tensor::zeros({2})}},
                      {"bn", "BatchNorm", {Tensor::ones({2}), Tensor::ones({2}), Tensor::ones({1}, DType::f64)}}}};
  const std::string blob = "\x08\1\x10\1\x18\1\x20\2\x2a\x08" + std::string(8, '\0');  // 1 x 1 x 1 x 2
  const std::string layer = "\x22\2fc\x28\x0e\x32" + std::string(1, static_cast<char>(blob.size())) + blob;
  return {written([&](const std::string& path) { write_caffemodel(path, net); }),
          "\x0a\3old\x12" + std::string(1, static_cast<char>(layer.size())) + layer};
}

// See deep_compression.cpp. 102 entries of fire2/squeeze1x1 go to the last of its 1,536 weights, with 14 or 15 zeros
// before each.
Seeds deep_compression_seeds() {
  return {std::string(3, '\0') + "\1\2\xf3",
          std::string("\1\0\0", 3) + std::string(102, '\1') + std::string(48, '\xee') + std::string(3, '\xff')};
}

Seeds zip_seeds() {
  using testing::Entry;
  const std::vector<Entry> entries{{.name = "a/b", .contents = "contents"},
                                   {.name = "c", .contents = std::string(300, 'x'), .deflate = true},
                                   {.name = "d", .contents = "64", .zip64 = true}};
  return {testing::zip(entries), testing::zip({entries[1]}, "", "a comment")};
}

std::string deflated_with_header(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string result(size, '\0');
  compress(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  result.resize(size);
  return result;
}

/// A PNG of `size` x `size` pixels, which are 0. The target puts in the checksums.
std::string png(uint8_t size, uint8_t bits, uint8_t color_type, size_t row_bytes, const std::string& more) {
  const auto chunk = [](const std::string& type, const std::string& data) {
    const auto bytes = static_cast<uint8_t>(data.size());
    return std::string(3, '\0') + static_cast<char>(bytes) + type + data + std::string(4, '\0');
  };
  std::string header = std::string(3, '\0') + static_cast<char>(size);
  header += header;
  for (const int byte : {int{bits}, int{color_type}, 0, 0, 0}) header += static_cast<char>(byte);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + more +
         chunk("IDAT", deflated_with_header(std::string(size * (1 + row_bytes), '\0'))) + chunk("IEND", "");
}

Seeds image_seeds() {
  const std::string palette = std::string("\0\0\0\6PLTE", 8) + "abcdef" + std::string(4, '\0');
  const std::string exif(
      "\0\0\0\x1a"
      "eXIfMM\0\x2a\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0\0\0\0\0",
      38);
  const std::filesystem::path folder = KINDLING_FUZZ_SEEDS;
  return {read_file(folder / "baseline.jpg"),
          read_file(folder / "progressive.jpg"),
          testing::make_bmp(3, [](int y, int x, int c) { return static_cast<uint8_t>(16 * y + 4 * x + c); }),
          png(5, 8, 2, 15, exif),
          png(5, 1, 3, 1, palette),
          png(2, 16, 6, 16, "")};
}

// See recognise.cpp: every model with every kind of names, with bypasses and batch normalisation if it has them. Then
// a head of another name, inputs of which channels come first, and files that describe themselves.
Seeds recognise_seeds() {
  Seeds seeds;
  for (size_t model = 0; model < model_names().size(); ++model)
    for (const int kind : {0, 1, 2, 0xc0, 0xc1, 0xc2})
      seeds.push_back({static_cast<char>(model), static_cast<char>(kind)});
  const auto described = [](const ModelOptions& options, const std::string& model) {
    const Description description{
        .model = define(model, options), .classes = {"a", "b"}, .preprocessing = data::caffe_preprocessing()};
    return "\xff" + to_metadata(description).at("description");
  };
  const std::string lenet{0, 0}, caffe_lenet{0, 2}, squeezenet1_1{4, 1};
  seeds.push_back(lenet + "\6\x42\2\x0b");      // fc2 as other/fc2, [2, 500]
  seeds.push_back(caffe_lenet + "\4\2\2\x0b");  // fc1 of [2, 500]: of 50 channels of 10 pixels each
  seeds.push_back(lenet + described({.classes = 2, .channels = 1, .size = 16}, "lenet"));
  seeds.push_back(squeezenet1_1 + described({.classes = 2, .bypass = Bypass::simple}, "squeezenet1_1"));
  return seeds;
}

// See kndz.cpp. Each coder and method, and two whole files.
Seeds kndz_seeds() {
  CodedTensor grid{.name = "w", .shape = {2, 2, 3, 3}, .coding = Coding::grid, .step = 0.5F};
  for (int i = 0; i < 36; ++i) grid.numbers.push_back(i % 5 - 2);
  CodedTensor shared{.name = "w", .shape = {6, 6}, .coding = Coding::codebook};
  shared.codebook = {0, 1, -1, 2, -0.5F};
  for (int i = 0; i < 36; ++i) shared.numbers.push_back(i % 7 % 5);
  const CodedTensor plain = plain_tensor("w", Tensor::ones({3, 2}), "F16");
  Seeds seeds;
  for (const auto coder : {KndzCoder::huffman, KndzCoder::range})
    for (const CodedTensor& tensor : {grid, shared, plain}) {
      const std::string file = written([&](const std::string& path) { write_kndz(path, {tensor}, {}, coder); });
      const size_t piece = static_cast<size_t>(kndz_sizes({tensor}, {}, coder).tensors[0].bytes);
      std::string bytes{static_cast<char>(coder),
                        static_cast<char>(tensor.coding),
                        static_cast<char>(tensor.coding == Coding::plain ? 1 : 0),
                        '\1',
                        '\0',
                        static_cast<char>(tensor.shape.rank())};
      for (const int64_t size : tensor.shape) bytes += static_cast<char>(size);
      seeds.push_back(bytes + file.substr(file.size() - piece, piece - sizeof(uint32_t)));
      seeds.push_back('\x80' + file);
    }
  return seeds;
}

}  // namespace

std::map<std::string, Seeds> make_seeds() {
  Seeds npz{testing::zip({{.name = "a.npy", .contents = npy_seeds()[0], .deflate = true}}),
            written([](const std::string& path) { write_npz(path, small_tensors()); })};
  for (const std::string& array : npy_seeds()) npz.push_back(array);
  return {{"caffemodel", caffemodel_seeds()},
          {"deep_compression", deep_compression_seeds()},
          {"image", image_seeds()},
          {"kndz", kndz_seeds()},
          {"npy", npy_seeds()},
          {"npz", npz},
          {"prototxt",
           {"name: 'net' input_dim: [1, 3]\nlayer { name: \"conv1\" type: \"Convolution\" param < lr: 1e-3 > } # end",
            "layers { name: 'a' \"b\" type: POOLING include { phase: TEST min_level: 0 not_stage: \"x\" } }"}},
          {"pytorch", pytorch_seeds()},
          {"recognise", recognise_seeds()},
          {"safetensors", safetensors_seeds()},
          {"zip", zip_seeds()}};
}

}  // namespace kindling::fuzz
