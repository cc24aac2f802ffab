#include <kindling/io/deep_compression.h>

#include <algorithm>
#include <array>

#include <kindling/io/atomic_file.h>
#include <kindling/io/byte_reader.h>
#include <kindling/io/byte_writer.h>
#include <kindling/io/elements.h>

namespace kindling {
namespace {

constexpr size_t kCodes = 256;

struct Layer {
  std::string name;
  Shape weight;  // [O, I, KH, KW]
  uint32_t entries = 0;
};

/// Those of SqueezeNet v1.0 (arXiv:1602.07360, Table 1), in the order of the file.
std::vector<Layer> make_layers() {
  constexpr std::array<int64_t, 8> kSqueeze = {16, 16, 32, 32, 48, 48, 64, 64};
  std::vector<Layer> layers{{"conv1", {96, 3, 7, 7}}};
  int64_t channels = 96;
  for (size_t i = 0; i < kSqueeze.size(); ++i) {
    const std::string fire = "fire" + std::to_string(i + 2);
    const int64_t squeeze = kSqueeze[i], expand = 4 * squeeze;
    layers.push_back({fire + "/squeeze1x1", {squeeze, channels, 1, 1}});
    layers.push_back({fire + "/expand1x1", {expand, squeeze, 1, 1}});
    layers.push_back({fire + "/expand3x3", {expand, squeeze, 3, 3}});
    channels = 2 * expand;
  }
  layers.push_back({"conv10", {1000, channels, 1, 1}});
  return layers;
}

/// Reads the counts. Throws unless the file is as long as they say.
void read_counts(ByteReader& file, std::vector<Layer>& layers) {
  uint64_t bytes = 0;
  for (Layer& layer : layers) {
    layer.entries = file.number<uint32_t>("the number of entries of a layer");
    if (layer.entries > layer.weight.numel())
      refuse(file.path(), file.offset() - 4, "layer ", layer.name, " has ", layer.weight.numel(), " weights, but ",
             layer.entries, " entries: not a compressed SqueezeNet v1.0");
    bytes +=
        sizeof(float) * (kCodes + static_cast<uint64_t>(layer.weight[0])) + layer.entries + (layer.entries + 1) / 2;
  }
  if (file.left() != bytes)
    file.fail("after the counts there are ", file.left(), " bytes, the layers would take ", bytes);
}

/// The codes of the weights; those between the entries are 0.
std::vector<int32_t> decode_codes(ByteReader& file, const Layer& layer) {
  const std::string_view codes = file.take(layer.entries, "the codes");
  const int64_t offset = file.offset(), weights = layer.weight.numel();
  const std::string_view gaps = file.take((layer.entries + 1) / 2, "the gaps");
  std::vector<int32_t> result(static_cast<size_t>(weights));
  int64_t place = -1;
  for (size_t i = 0; i < layer.entries; ++i) {
    const auto pair = static_cast<uint8_t>(gaps[i / 2]);
    place += 1 + (i % 2 == 0 ? pair & 15 : pair >> 4);
    if (place >= weights)
      refuse(file.path(), offset + static_cast<int64_t>(i / 2), "layer ", layer.name, ": entry ", i, " of ",
             layer.entries, " is weight ", place, " of ", weights);
    result[static_cast<size_t>(place)] = static_cast<uint8_t>(codes[i]);
  }
  return result;
}

/// Hands the counts to `counts` and calls take(weight, bias) for each layer.
template <class Take>
void for_each_layer(const std::string& path, std::vector<Layer>& layers, Take take) {
  const std::string bytes = read_file(path);
  ByteReader file(path, bytes);
  read_counts(file, layers);
  for (const Layer& layer : layers) {
    CodedTensor weight{.name = layer.name + "/weight", .shape = layer.weight, .axes = AxisOrder::inputs_first};
    weight.coding = Coding::codebook;
    const Tensor codebook = decode_elements("F32", {kCodes}, file.take(kCodes * sizeof(float), "a codebook").data());
    weight.codebook = codebook.to_vector<float>();
    if (weight.codebook[0] != 0)
      refuse(path, file.offset() - static_cast<int64_t>(kCodes * sizeof(float)), "layer ", layer.name,
             ": value 0 of the codebook must be 0");
    const int64_t outputs = layer.weight[0];
    const std::string_view biases = file.take(static_cast<uint64_t>(outputs) * sizeof(float), "the biases");
    weight.numbers = decode_codes(file, layer);
    take(std::move(weight), plain_tensor(layer.name + "/bias", decode_elements("F32", {outputs}, biases.data())));
  }
}

/// The codes and the gaps of a layer's entries, as the file has them.
struct Entries {
  std::string codes, gaps;
};

Entries encode_codes(const std::vector<int32_t>& numbers) {
  Entries result;
  const auto add = [&](int32_t code, int64_t zeros) {
    if (result.codes.size() % 2 == 0) {
      result.gaps += static_cast<char>(zeros);
    } else {
      result.gaps.back() = static_cast<char>(result.gaps.back() | zeros << 4);
    }
    result.codes += static_cast<char>(code);
  };
  constexpr int64_t kMostZeros = 15;
  int64_t zeros = 0;
  size_t size = numbers.size();
  while (size > 0 && numbers[size - 1] == 0) --size;
  for (size_t i = 0; i < size; ++i) {
    const int32_t code = numbers[i];
    if (code == 0 && zeros < kMostZeros) {
      ++zeros;
    } else {
      add(code, zeros);
      zeros = 0;
    }
  }
  return result;
}

/// Throws unless these are a layer's weight and bias.
void check_layer(const std::string& path, const Layer& layer, const CodedTensor& weight, const CodedTensor& bias) {
  const auto require = [&](bool is_so, const char* what) {
    if (!is_so)
      throw FileError(path + ": a .net file holds SqueezeNet v1.0 alone, layer by layer: " + layer.name + what);
  };
  check_coded(weight);
  check_coded(bias);
  require(weight.name == layer.name + "/weight" && bias.name == layer.name + "/bias",
          " should stand here, weight and bias");
  require(
      weight.shape == layer.weight && weight.axes == AxisOrder::inputs_first && bias.shape == Shape{layer.weight[0]},
      " is of another shape");
  require(weight.coding == Coding::codebook && weight.codebook.size() <= kCodes,
          " must have a codebook of at most 256 values");
}

}  // namespace

TensorFile read_deep_compression(const std::string& path) {
  TensorFile result{path, {}, {}};
  std::vector<Layer> layers = make_layers();
  int64_t entries = 0, nonzero = 0;
  for_each_layer(path, layers, [&](const CodedTensor& weight, const CodedTensor& bias) {
    const Tensor values = weight.decoded();
    const float* const first = values.data<float>();
    nonzero += values.numel() - std::count(first, first + values.numel(), 0.0F);
    result.tensors.emplace_back(weight.name, "F32", values);
    result.tensors.emplace_back(bias.name, "F32", bias.values);
  });
  for (const Layer& layer : layers) entries += layer.entries;
  result.metadata = {{"entries", std::to_string(entries)}, {"nonzero_weights", std::to_string(nonzero)}};
  return result;
}

std::vector<CodedTensor> read_deep_compression_codes(const std::string& path) {
  std::vector<CodedTensor> result;
  std::vector<Layer> layers = make_layers();
  for_each_layer(path, layers, [&](CodedTensor weight, CodedTensor bias) {
    result.push_back(std::move(weight));
    result.push_back(std::move(bias));
  });
  return result;
}

void write_deep_compression(const std::string& path, const std::vector<CodedTensor>& tensors) {
  const std::vector<Layer> layers = make_layers();
  if (tensors.size() != 2 * layers.size())
    throw FileError(path + ": a .net file holds the 52 tensors of SqueezeNet v1.0, not " +
                    std::to_string(tensors.size()));
  std::string counts, contents;
  for (size_t i = 0; i < layers.size(); ++i) {
    const CodedTensor &weight = tensors[2 * i], &bias = tensors[2 * i + 1];
    check_layer(path, layers[i], weight, bias);
    std::vector<float> codebook = weight.codebook;
    codebook.resize(kCodes);
    const Entries entries = encode_codes(weight.numbers);
    append_number(counts, static_cast<uint32_t>(entries.codes.size()));
    contents += encode_elements("F32", Tensor::from(codebook, {std::ssize(codebook)})) +
                encode_elements("F32", bias.decoded()) + entries.codes + entries.gaps;
  }
  write_file(path, counts + contents);
}

}  // namespace kindling
