#include <kindling/io/deep_compression.h>

#include <array>

#include <kindling/io/atomic_file.h>
#include <kindling/io/byte_reader.h>
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

/// Returns the number of weights that are not 0.
int64_t decode_weight(ByteReader& file, const Layer& layer, std::string_view codebook, std::string_view codes,
                      Tensor& weight) {
  const Tensor values = decode_elements("F32", {kCodes}, codebook.data());
  const int64_t offset = file.offset();
  const std::string_view gaps = file.take((layer.entries + 1) / 2, "the gaps");
  float* to = weight.data<float>();
  int64_t place = -1, nonzero = 0;
  for (size_t i = 0; i < layer.entries; ++i) {
    const auto pair = static_cast<uint8_t>(gaps[i / 2]);
    place += 1 + (i % 2 == 0 ? pair & 15 : pair >> 4);
    if (place >= weight.numel())
      refuse(file.path(), offset + static_cast<int64_t>(i / 2), "layer ", layer.name, ": entry ", i, " of ",
             layer.entries, " is weight ", place, " of ", weight.numel());
    to[place] = values.data<float>()[static_cast<uint8_t>(codes[i])];
    nonzero += to[place] != 0;
  }
  return nonzero;
}

}  // namespace

TensorFile read_deep_compression(const std::string& path) {
  const std::string bytes = read_file(path);
  ByteReader file(path, bytes);
  std::vector<Layer> layers = make_layers();
  read_counts(file, layers);
  TensorFile result{path, {}, {}};
  int64_t entries = 0, nonzero = 0;
  for (const Layer& layer : layers) {
    const std::string_view codebook = file.take(kCodes * sizeof(float), "a codebook");
    if (ByteReader(path, codebook).number<float>("a value") != 0)
      refuse(path, file.offset() - static_cast<int64_t>(codebook.size()), "layer ", layer.name,
             ": value 0 of the codebook must be 0");
    const int64_t outputs = layer.weight[0];
    const std::string_view biases = file.take(static_cast<uint64_t>(outputs) * sizeof(float), "the biases");
    const std::string_view codes = file.take(layer.entries, "the codes");
    Tensor weight = Tensor::zeros(layer.weight);
    nonzero += decode_weight(file, layer, codebook, codes, weight);
    entries += layer.entries;
    result.tensors.push_back({layer.name + "/weight", "F32", weight});
    result.tensors.push_back({layer.name + "/bias", "F32", decode_elements("F32", {outputs}, biases.data())});
  }
  result.metadata = {{"entries", std::to_string(entries)}, {"nonzero_weights", std::to_string(nonzero)}};
  return result;
}

}  // namespace kindling
