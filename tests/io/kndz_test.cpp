#include <kindling/io/kndz.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kindling/io/atomic_file.h>
#include <kindling/io/deep_compression.h>
#include <kindling/io/elements.h>
#include <kindling/io/huffman.h>
#include <kindling/tensor/ops.h>
#include <catch2/catch.hpp>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/support/shared_data.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

constexpr KndzCoder kCoders[] = {KndzCoder::huffman, KndzCoder::range};

std::vector<int32_t> numbers_of(const Shape& shape, uint64_t seed, double density, double spread) {
  Rng rng(seed);
  std::vector<int32_t> q(static_cast<size_t>(shape.numel()));
  for (int32_t& number : q)
    if (rng.next_uniform() < density) number = static_cast<int32_t>(std::lround(spread * rng.next_normal()));
  return q;
}

CodedTensor grid(const std::string& name, const Shape& shape, double density = 0.5, double spread = 3) {
  CodedTensor result{.name = name, .shape = shape, .coding = Coding::grid, .step = 0.125F};
  result.numbers = numbers_of(shape, name.size(), density, spread);
  return result;
}

CodedTensor with_codebook(const std::string& name, const Shape& shape, int values, AxisOrder axes) {
  CodedTensor result{.name = name, .shape = shape, .axes = axes, .coding = Coding::codebook};
  Rng rng(17);
  for (int i = 0; i < values; ++i) result.codebook.push_back(i == 0 ? 0.0F : static_cast<float>(rng.next_normal()));
  for (const int32_t q : numbers_of(shape, 3, 0.4, values)) result.numbers.push_back(std::abs(q) % values);
  return result;
}

/// Of every form, and of shapes that are unusual.
std::vector<CodedTensor> all_forms() {
  Rng rng(1);
  std::vector<CodedTensor> tensors{grid("conv/weight", {6, 3, 3, 5}),
                                   plain_tensor("conv/bias", Tensor::normal({6}, 0, 1, rng)),
                                   with_codebook("shared/weight", {8, 5, 3, 3}, 40, AxisOrder::inputs_first),
                                   plain_tensor("half", Tensor::normal({3, 4}, 0, 1, rng), "F16"),
                                   plain_tensor("brain", Tensor::normal({7}, 0, 1, rng), "BF16"),
                                   grid("fc/weight", {10, 12}, 0.1),
                                   with_codebook("one value", {4, 4}, 2, AxisOrder::inputs_last),
                                   grid("vector", {9}),
                                   grid("scalar", {}, 1),
                                   grid("none", {0, 3}),
                                   plain_tensor("no element", Tensor::zeros({2, 0})),
                                   grid("zeros", {300, 300}, 0),
                                   grid("volume", {2, 3, 2, 2, 3}, 1, 200)};
  tensors[2].dtype = "F32";
  tensors.push_back(with_codebook("half codebook", {5, 7}, 9, AxisOrder::inputs_last));
  tensors.back().dtype = "F16";
  for (float& value : tensors.back().codebook) value = std::round(value * 16) / 16;
  return tensors;
}

std::vector<float> elements(const Tensor& tensor) { return tensor.to_vector<float>(); }

/// The bits, so that -0 is not 0 and NaN is itself.
std::vector<uint32_t> bits_of(const Tensor& tensor) {
  std::vector<uint32_t> result;
  for (const float x : elements(tensor)) result.push_back(std::bit_cast<uint32_t>(x));
  return result;
}

std::string file_of(const std::vector<CodedTensor>& tensors, KndzCoder coder, const Metadata& notes = {}) {
  const TemporaryFolder folder;
  write_kndz(folder / "x.kndz", tensors, notes, coder);
  return read_file(folder / "x.kndz");
}

std::string kndz_refusal(const std::string& bytes) { return refusal(bytes, read_kndz); }

}  // namespace

TEST_CASE("kndz: tensors of every form, shape and coder are read as they were written") {
  const std::vector<CodedTensor> tensors = all_forms();
  const Metadata notes{{"description", "{\"model\":{}}"}, {"empty", ""}};
  for (const KndzCoder coder : kCoders) {
    const TemporaryFolder folder;
    const std::string path = folder / "x.kndz";
    write_kndz(path, tensors, notes, coder);
    const KndzFile file = read_kndz(path);
    CHECK(file.notes == notes);
    REQUIRE(file.tensors.size() == tensors.size());
    const TensorFile weights = read_tensor_file(path);
    CHECK(weights.metadata == notes);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const CodedTensor &written = tensors[i], &read = file.tensors[i];
      INFO(written.name << ", coder " << static_cast<int>(coder));
      CHECK(read.name == written.name);
      CHECK(read.shape == written.shape);
      CHECK(read.coding == written.coding);
      CHECK(read.dtype == written.dtype);
      CHECK(read.axes == written.axes);
      CHECK(read.step == written.step);
      if (read.coding == Coding::grid) CHECK(read.numbers == written.numbers);
      CHECK(bits_of(read.decoded()) == bits_of(written.decoded()));
      CHECK(weights.tensors[i].name == written.name);
      CHECK(bits_of(weights.tensors[i].value()) == bits_of(written.decoded()));
    }
    // What was read gives the same file.
    write_kndz(folder / "y.kndz", file.tensors, file.notes, coder);
    CHECK((read_file(folder / "y.kndz") == read_file(path)));
  }
}

TEST_CASE("kndz: a codebook keeps the bits of its values, and drops what no element has") {
  CodedTensor tensor{.name = "w", .shape = {6}, .coding = Coding::codebook};
  tensor.codebook = {0, -0.0F, std::numeric_limits<float>::infinity(), 5, std::nanf(""), -1e-45F, 7, 5};
  tensor.numbers = {4, 1, 2, 5, 0, 7};
  for (const KndzCoder coder : kCoders) {
    const TemporaryFolder folder;
    write_kndz(folder / "x.kndz", {tensor}, {}, coder);
    const CodedTensor read = read_kndz(folder / "x.kndz").tensors[0];
    CHECK(bits_of(read.decoded()) == bits_of(tensor.decoded()));
    CHECK(read.codebook.size() == 6);  // without 7
  }
}

TEST_CASE("kndz: large numbers are coded, too large ones are refused") {
  CodedTensor tensor = grid("w", {5});
  tensor.numbers = {1048575, -1048575, 0, 1, -1};
  CHECK(file_of({tensor}, KndzCoder::range).size() > 0);
  CHECK_THROWS_WITH(file_of({tensor}, KndzCoder::huffman), Catch::Contains("use the range coder"));
  tensor.numbers[0] = 1048576;
  CHECK_THROWS_WITH(file_of({tensor}, KndzCoder::range), Catch::Contains("its step is too small"));
  tensor.numbers = {65535, 0, 1, 2, 3};
  CHECK(kndz_refusal(file_of({tensor}, KndzCoder::huffman)).empty());
}

TEST_CASE("kndz: tensors whose parts do not fit are not written") {
  const auto refused = [](auto change) {
    std::vector<CodedTensor> tensors{grid("a", {4}), with_codebook("b", {4}, 3, AxisOrder::inputs_last)};
    change(tensors);
    try {
      file_of(tensors, KndzCoder::range);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  using T = std::vector<CodedTensor>;
  CHECK(refused([](T&) {}) == "");
  CHECK_THAT(refused([](T& t) { t[0].numbers.pop_back(); }), Catch::Contains("as many numbers"));
  CHECK_THAT(refused([](T& t) { t[0].step = NAN; }), Catch::Contains("finite step"));
  CHECK_THAT(refused([](T& t) { t[0].dtype = "F64"; }), Catch::Contains("F32, F16 or BF16"));
  CHECK_THAT(refused([](T& t) { t[1].codebook[0] = 1; }), Catch::Contains("value 0 is 0"));
  CHECK_THAT(refused([](T& t) { t[1].numbers[0] = 3; }), Catch::Contains("outside of its codebook"));
  CHECK_THAT(refused([](T& t) { t[1].name = "a"; }), Catch::Contains("two tensors are named"));
}

TEST_CASE("kndz: every flipped bit of a small file is noticed") {
  for (const KndzCoder coder : kCoders) {
    const std::string bytes =
        file_of({grid("w", {4, 3, 3, 2}), plain_tensor("b", Tensor::ones({4}))}, coder, {{"note", "text"}});
    REQUIRE(kndz_refusal(bytes).empty());
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      INFO("bit " << bit % 8 << " of byte " << bit / 8);
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      CHECK_THAT(kndz_refusal(flipped), Catch::StartsWith("byte "));
    }
  }
}

TEST_CASE("kndz: a file that is cut, or goes on, is refused with the byte") {
  for (const KndzCoder coder : kCoders) {
    const std::string bytes = file_of(all_forms(), coder, {{"note", "text"}});
    check_truncations(bytes, read_kndz);
    CHECK(kndz_refusal(bytes + "x") ==
          "byte " + std::to_string(bytes.size()) + ": the file should end here, but 1 bytes follow");
  }
  CHECK(kndz_refusal("KNDX\1\1") == "byte 0: a .kndz file begins with \"KNDZ\"");
  CHECK(kndz_refusal("KNDZ\2\1") == "byte 4: version 2 of the format is not known here");
  CHECK(kndz_refusal("KNDZ\1\2") == "byte 5: coder 2 is not known here");
}

// Zeros take nearly nothing, and a file may say that it has any number of them.
TEST_CASE("kndz: what a file unfolds to is bounded by its bytes") {
  const size_t elements = 2'000'000;
  for (const KndzCoder coder : kCoders) {
    const std::string bytes = file_of({grid("w", {1000, 2000}, 0)}, coder);
    CHECK(bytes.size() > elements / 1024);
    CHECK(bytes.size() < elements / 1024 + 100);
  }
}

TEST_CASE("kndz: sizes tell where the bytes go") {
  for (const KndzCoder coder : kCoders) {
    const std::vector<CodedTensor> tensors = all_forms();
    const Metadata notes{{"classes", std::string(500, 'x')}};
    const TemporaryFolder folder;
    const KndzSizes sizes = write_kndz(folder / "x.kndz", tensors, notes, coder);
    CHECK(sizes.bytes == std::ssize(read_file(folder / "x.kndz")));
    CHECK(kndz_sizes(tensors, notes, coder).bytes == sizes.bytes);
    CHECK(sizes.bytes - sizes.notes == kndz_sizes(tensors, {}, coder).bytes - 12);
    REQUIRE(sizes.tensors.size() == tensors.size());
    int64_t sum = sizes.head + sizes.notes;
    for (const KndzSize& size : sizes.tensors) {
      INFO(size.name);
      sum += size.bytes;
      if (size.name == "zeros") continue;  // filled up
      const double parts = size.places + size.codes + size.codebook;
      CHECK(std::abs(static_cast<double>(size.bytes) - 4 - parts) < 4 + 1e-3 * parts);
    }
    CHECK(sum == sizes.bytes);
    CHECK(sizes.tensors[0].elements == 270);
    CHECK(sizes.tensors[0].nonzero == 270 - std::count(tensors[0].numbers.begin(), tensors[0].numbers.end(), 0));
    if (coder == KndzCoder::range) CHECK(sizes.tensors[0].places > 10);
  }
}

TEST_CASE("kndz: the zeros of a pruned tensor that is plain take hardly a bit") {
  Rng rng(3);
  constexpr int64_t kElements = 6000;
  std::vector<float> values(kElements);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? static_cast<float>(rng.next_normal()) : 0;
  values[1] = -0.0F;
  values[2] = std::numeric_limits<float>::denorm_min();
  for (const char* dtype : {"F32", "BF16"}) {
    const CodedTensor tensor = plain_tensor("x", Tensor::from(values, {kElements}), dtype);
    const TemporaryFolder folder;
    const KndzSizes sizes = write_kndz(folder / "x.kndz", {tensor});
    const int64_t of_others = kElements / 3 * (dtype == std::string("F32") ? 4 : 2);
    CHECK(sizes.tensors[0].bytes < of_others + kElements / 8);
    CHECK(bits_of(read_kndz(folder / "x.kndz").tensors[0].values) == bits_of(tensor.decoded()));
  }
}

TEST_CASE("elements: f32 becomes the nearest f16 and bf16, of two the even one") {
  const auto rounded = [](const char* dtype, float x) {
    return plain_tensor("x", Tensor::scalar(x), dtype).values.item();
  };
  const float inf = std::numeric_limits<float>::infinity();
  struct Case {
    float x;
    double f16, bf16;
  };
  for (const auto& [x, f16, bf16] :
       {Case{1, 1, 1}, Case{1 + 0x1p-11F, 1, 1}, Case{1 + 0x3p-11F, 1 + 0x1p-9, 1},
        Case{1 + 0x1p-11F + 0x1p-20F, 1 + 0x1p-10, 1}, Case{-65519, -65504, -65536}, Case{65520, inf, 65536},
        Case{0x1p-24F, 0x1p-24, 0x1p-24}, Case{0x1p-25F, 0, 0x1p-25}, Case{0x1.8p-25F, 0x1p-24, 0x1.8p-25},
        Case{0x1.ff8p-15F, 0x1.ff8p-15, 0x1p-14}, Case{0x1.ffcp-15F, 0x1p-14, 0x1p-14}, Case{inf, inf, inf},
        Case{-0.0F, -0.0, -0.0}, Case{1.00390625F, 1.00390625, 1}, Case{1.01171875F, 1.01171875, 1.015625}}) {
    INFO(x);
    CHECK(rounded("F16", x) == f16);
    CHECK(rounded("BF16", x) == bf16);
    CHECK(std::signbit(rounded("F16", x)) == std::signbit(x));
  }
  CHECK(std::isnan(rounded("F16", std::nanf(""))));
  CHECK(std::isnan(rounded("BF16", std::bit_cast<float>(0x7F800001))));
}

TEST_CASE("huffman: codes are the shortest, sound, and at most 15 bits long") {
  const std::vector<uint8_t> lengths = huffman_lengths({5, 0, 9, 12, 13, 16, 45});
  CHECK(lengths == std::vector<uint8_t>{4, 0, 4, 3, 3, 3, 1});  // Cormen et al., Introduction to Algorithms, 15.3
  CHECK(huffman_lengths({0, 7, 0}) == std::vector<uint8_t>{0, 1, 0});
  CHECK(huffman_lengths({0, 0}) == std::vector<uint8_t>{0, 0});
  std::vector<uint64_t> fibonacci{1, 1};
  while (fibonacci.size() < 60) fibonacci.push_back(fibonacci.end()[-1] + fibonacci.end()[-2]);
  const std::vector<uint8_t> limited = huffman_lengths(fibonacci);
  CHECK(*std::max_element(limited.begin(), limited.end()) <= 15);
  CHECK(HuffmanDecoder(limited).is_sound());
  CHECK_FALSE(HuffmanDecoder({1, 1, 1}).is_sound());

  BitWriter out;
  const HuffmanEncoder encoder(limited);
  for (uint32_t symbol = 0; symbol < 60; ++symbol) encoder.put(out, symbol), out.put(symbol, 6);
  const std::string bytes = out.finish();
  BitReader in(bytes);
  const HuffmanDecoder decoder(limited);
  for (uint32_t symbol = 0; symbol < 60; ++symbol) {
    REQUIRE(decoder.take(in) == symbol);
    REQUIRE(in.take(6) == symbol);
  }
  CHECK_FALSE(in.is_beyond_end());
  in.take(8);
  CHECK(in.is_beyond_end());
  const std::string ones(2, '\xFF');
  BitReader no_code(ones);
  CHECK(HuffmanDecoder({2, 2, 2}).take(no_code) == HuffmanDecoder::kNone);
}

TEST_CASE("the authors' compressed SqueezeNet v1.0 as .kndz: the same weights in fewer bytes") {
  const auto path = shared_data("squeezenet_v1_0_deep_compressed/compressed_SqueezeNet.net");
  if (!path) return;
  const std::vector<CodedTensor> tensors = read_deep_compression_codes(*path);
  const TemporaryFolder folder;
  for (const auto& [coder, most] : {std::pair(KndzCoder::huffman, 538'000), std::pair(KndzCoder::range, 517'000)}) {
    const KndzSizes sizes = write_kndz(folder / "x.kndz", tensors, {}, coder);
    CHECK(sizes.bytes < most);
    const KndzFile file = read_kndz(folder / "x.kndz");
    REQUIRE(file.tensors.size() == tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      INFO(tensors[i].name);
      REQUIRE((bits_of(file.tensors[i].decoded()) == bits_of(tensors[i].decoded())));
    }
  }
}
