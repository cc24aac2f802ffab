#include <kindling/io/deep_compression.h>

#include <array>
#include <numeric>

#include <kindling/io/atomic_file.h>
#include <kindling/tensor/ops.h>

#include <kindling/tests/io/hostile_files.h>
#include <kindling/tests/io/raw_bytes.h>
#include <kindling/tests/support/shared_data.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

// Output channels of the 26 layers.
constexpr std::array<size_t, 26> kOutputs = {96, 16,  64,  64, 16,  64,  64, 32,  128, 128, 32,  128, 128,
                                             48, 192, 192, 48, 192, 192, 64, 256, 256, 64,  256, 256, 1000};

/// A file whose layer `layer` has these entries, and whose other layers have none. Value i of each
/// codebook is i / 2, bias i is i.
std::string file_of(size_t layer, const std::vector<uint8_t>& codes, const std::vector<uint8_t>& gaps) {
  std::string bytes;
  for (size_t i = 0; i < kOutputs.size(); ++i) bytes += raw(static_cast<uint32_t>(i == layer ? codes.size() : 0));
  for (size_t i = 0; i < kOutputs.size(); ++i) {
    for (int code = 0; code < 256; ++code) bytes += raw(static_cast<float>(code) / 2);
    for (size_t o = 0; o < kOutputs[i]; ++o) bytes += raw(static_cast<float>(o));
    if (i != layer) continue;
    bytes.append(codes.begin(), codes.end());
    for (size_t e = 0; e < gaps.size(); e += 2)
      bytes += static_cast<char>(gaps[e] | (e + 1 < gaps.size() ? gaps[e + 1] << 4 : 0));
  }
  return bytes;
}

TensorFile read(const std::string& bytes) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << bytes;
  return read_deep_compression(folder / "x");
}

std::string net_refusal(const std::string& bytes) { return refusal(bytes, read_deep_compression); }

constexpr size_t kFirstLayer = 26 * 4, kFirstGaps = kFirstLayer + 4 * (256 + 96);

}  // namespace

TEST_CASE("entries of a compressed network lie one after the other, with their gaps") {
  const TensorFile file = read(file_of(1, {2, 0, 255}, {3, 15, 0}));
  REQUIRE(file.tensors.size() == 52);
  CHECK(file.tensors[0].name == "conv1/weight");
  CHECK(file.tensors[1].name == "conv1/bias");
  CHECK(file.tensors[1].value().at<float>({95}) == 95.0F);
  CHECK(file.tensors[2].name == "fire2/squeeze1x1/weight");
  CHECK(file.tensors[51].name == "conv10/bias");
  const std::vector<float> weight = file.tensors[2].value().to_vector<float>();
  CHECK(weight[3] == 1.0F);
  CHECK(weight[19] == 0.0F);
  CHECK(weight[20] == 127.5F);
  CHECK(std::accumulate(weight.begin(), weight.end(), 0.0F) == 128.5F);
  CHECK(file.metadata == Metadata{{"entries", "3"}, {"nonzero_weights", "2"}});
}

TEST_CASE("a compressed network that is not as long as its counts say is refused") {
  const std::string bytes = file_of(0, {1, 2, 3}, {0, 0, 0});
  CHECK(net_refusal(bytes).empty());
  const size_t rest = bytes.size() - kFirstLayer;
  const auto lengths = [&](size_t found) {
    return "byte 104: after the counts there are " + std::to_string(found) + " bytes, the layers would take " +
           std::to_string(rest);
  };
  CHECK(net_refusal(bytes.substr(0, bytes.size() - 1)) == lengths(rest - 1));
  CHECK(net_refusal(bytes + "x") == lengths(rest + 1));
  CHECK(net_refusal(bytes.substr(0, kFirstLayer)) == lengths(0));
  CHECK(net_refusal(bytes.substr(0, kFirstLayer - 1)) ==
        "byte 103: the data end here, within the number of entries of a layer of 4 bytes at byte 100");
  CHECK(net_refusal("") == "byte 0: the data end here, within the number of entries of a layer of 4 bytes at byte 0");
  CHECK(net_refusal(raw(uint32_t{14113}) + bytes.substr(4)) ==
        "byte 0: layer conv1 has 14112 weights, but 14113 entries: not a compressed SqueezeNet v1.0");
  for_each_truncation(bytes.substr(0, 2000), read_deep_compression,
                      [](size_t, const std::string& text) { CHECK(text.starts_with("byte ")); });
}

TEST_CASE("a compressed network with entries outside of a weight, or a codebook without 0, is refused") {
  std::vector<uint8_t> codes(883, 1), gaps(883, 15);
  gaps[882] = 0;  // 882 * 16 = 14,112 weights before it
  CHECK(net_refusal(file_of(0, codes, gaps)) ==
        "byte " + std::to_string(kFirstGaps + 883 + 441) + ": layer conv1: entry 882 of 883 is weight 14112 of 14112");
  codes.pop_back();
  gaps.pop_back();
  CHECK(read(file_of(0, codes, gaps)).tensors[0].value().at<float>({95, 2, 6, 6}) == 0.5F);
  std::string bytes = file_of(0, codes, gaps);
  bytes.replace(kFirstLayer, 4, raw(1.0F));
  CHECK(net_refusal(bytes) == "byte 104: layer conv1: value 0 of the codebook must be 0");
}

TEST_CASE("the authors' compressed SqueezeNet v1.0 is read") {
  const auto path = shared_data("squeezenet_v1_0_deep_compressed/compressed_SqueezeNet.net");
  if (!path) return;
  const TensorFile file = read_deep_compression(*path);
  CHECK(file.metadata == Metadata{{"entries", "422083"}, {"nonzero_weights", "415921"}});
  int64_t parameters = 0;
  for (const StoredTensor& tensor : file.tensors) {
    parameters += tensor.shape.numel();
    CHECK(all_finite(tensor.value()));
  }
  CHECK(parameters == 1'248'424);
  CHECK(file.tensors[0].shape == Shape{96, 3, 7, 7});
  CHECK(file.tensors[50].shape == Shape{1000, 512, 1, 1});
  // Sums by a reader in Python and math.fsum; the rounding of 512,000 additions is far below the tolerance.
  const auto sum_of = [](const Tensor& x) { return sum(x.to(DType::f64)).item(); };
  CHECK_THAT(sum_of(abs(file.tensors[0].value())), Catch::WithinRel(954.9666080921888, 1e-12));
  CHECK_THAT(sum_of(file.tensors[50].value()), Catch::WithinRel(-1765.9888464754913, 1e-12));
  CHECK_THAT(sum_of(file.tensors[51].value()), Catch::WithinRel(32.86825490146897, 1e-12));
  CHECK(file.tensors[50].value().at<float>({999, 509, 0, 0}) == 0.0F);
  CHECK(file.tensors[50].value().at<float>({0, 1, 0, 0}) == -0.03567560762166977F);
}

TEST_CASE("the authors' compressed SqueezeNet v1.0 is written as it was read") {
  const auto path = shared_data("squeezenet_v1_0_deep_compressed/compressed_SqueezeNet.net");
  if (!path) return;
  const TemporaryFolder folder;
  write_deep_compression(folder / "x.net", read_deep_compression_codes(*path));
  CHECK((read_file(folder / "x.net") == read_file(*path)));
}

TEST_CASE("a compressed network is written with the entries that its gaps need") {
  const TemporaryFolder folder;
  const auto rewritten = [&](const std::string& bytes) {
    std::ofstream(folder / "x", std::ios::binary) << bytes;
    write_deep_compression(folder / "x", read_deep_compression_codes(folder / "x"));
    return read_file(folder / "x");
  };
  const std::string odd = file_of(1, {2, 0, 255}, {3, 15, 0});
  CHECK((rewritten(odd) == odd));
  // Nothing needs the entry of code 0 among weights that are near to each other.
  CHECK((rewritten(file_of(4, {2, 0, 255}, {3, 4, 5})) == file_of(4, {2, 255}, {3, 10})));
  CHECK((rewritten(file_of(4, {0, 9}, {15, 0})) == file_of(4, {0, 9}, {15, 0})));
}

TEST_CASE("what a compressed network cannot hold is not written") {
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << file_of(0, {1}, {0});
  const std::vector<CodedTensor> good = read_deep_compression_codes(folder / "x");
  const auto refused = [&](auto change) {
    std::vector<CodedTensor> tensors = good;
    change(tensors);
    try {
      write_deep_compression(folder / "y", tensors);
      return std::string();
    } catch (const FileError& error) {
      return std::string(error.what()).substr((folder / "y").size());
    }
  };
  CHECK(refused([](auto& t) { t.pop_back(); }) == ": a .net file holds the 52 tensors of SqueezeNet v1.0, not 51");
  const std::string start = ": a .net file holds SqueezeNet v1.0 alone, layer by layer: ";
  CHECK(refused([](auto& t) { std::swap(t[2], t[4]); }) ==
        start + "fire2/squeeze1x1 should stand here, weight and bias");
  CHECK(refused([](auto& t) { t[0].axes = AxisOrder::inputs_last; }) == start + "conv1 is of another shape");
  CHECK(refused([](auto& t) { t[0].codebook.resize(257); }) ==
        start + "conv1 must have a codebook of at most 256 values");
  CHECK(refused([](auto& t) { t[0].codebook.resize(2); }) == "");
  CHECK_THROWS_WITH(refused([](auto& t) { t[0].numbers[0] = 256; }), Catch::Contains("outside of its codebook"));
}
