// The bytes make a file's tensors as some reader might return them. It starts as a file that is recognised, and is then
// changed, so that names need not be guessed:
//   u8       the model
//   u8       bits 0 to 5: whose names; bit 6: with complex bypasses; bit 7: with batch normalisation
//   then for each change
//     u8     the tensor, or kDescription: all bytes that are left are the file's description
//     u8     bits 0 to 2: its rank; bit 4: it is added under the same name; bit 5: of integers; bit 6: it gets another
//            name; bit 7: it is left out
//     u8     for each axis: its size, a number of a row in kSizes
#include <kindling/interop/recognise.h>

#include <algorithm>
#include <map>

#include <kindling/io/byte_reader.h>
#include <kindling/io/weights.h>
#include <kindling/models/definition.h>
#include <kindling/tests/fuzz/fuzz.h>

namespace kindling::fuzz {
namespace {

constexpr int64_t kSizes[] = {1, 0, 2, 3, 5, 7, 11, 20, 50, 64, 96, 500, 512, 1000, 4096, int64_t{1} << 50};
constexpr int64_t kMostElements = 1 << 14;
constexpr uint8_t kDescription = 255;

uint8_t next(ByteReader& in) { return in.at_end() ? 0 : in.number<uint8_t>("a byte"); }

/// As readers promise, the product of the sizes can be counted even if those that are 0 are left
/// out.
Shape next_shape(ByteReader& in, int64_t rank) {
  Shape shape;
  for (int64_t axis = 0; axis < rank; ++axis) shape.push_back(kSizes[next(in) % std::size(kSizes)]);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  int64_t numel = 1;
  for (int64_t axis = 0; axis < rank; ++axis)
    if (__builtin_mul_overflow(numel, std::max<int64_t>(shape[axis], 1), &numel) ||
        numel > (is_empty ? INT64_MAX / 8 : kMostElements))
      return {};
  return shape;
}

/// Of the first layer's weights, by which models are told apart, with one channel.
Shape conv1_shape(const std::string& model, Naming naming) {
  const bool is_caffe = naming == Naming::caffe;
  const auto [filters, pixels] = model == "lenet"           ? std::pair<int64_t, int64_t>(20, 5)
                                 : model == "alexnet"       ? std::pair<int64_t, int64_t>(is_caffe ? 96 : 64, 11)
                                 : model == "alexnet_cifar" ? std::pair<int64_t, int64_t>(64, 5)
                                 : model == "squeezenet1_0" ? std::pair<int64_t, int64_t>(96, 7)
                                                            : std::pair<int64_t, int64_t>(64, 3);
  return naming == Naming::kindling ? Shape{filters, pixels, pixels, 1} : Shape{filters, 1, pixels, pixels};
}

/// A file of that model that is recognised. All sizes that do not matter for that are 1.
std::vector<StoredTensor> recognisable(const std::string& model, uint8_t kind) {
  const auto naming = static_cast<Naming>((kind & 0x3f) % naming_words().size());
  std::vector<StoredTensor> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    tensors.push_back({name, "F32", Tensor::zeros(shape)});
  };
  for (const std::string& layer : layer_paths(model)) {
    if (layer.ends_with("/bypass") && (kind & 0x40) == 0) continue;
    add(foreign_name(model, layer + "/weight", naming), layer == "conv1"          ? conv1_shape(model, naming)
                                                        : layer.starts_with("fc") ? Shape{1, 1}
                                                                                  : Shape{1, 1, 1, 1});
    add(foreign_name(model, layer + "/bias", naming), {1});
    if ((kind & 0x80) == 0) continue;
    for (const char* member : {"weight", "bias", "running_mean", "running_var"})
      add(foreign_name(model, layer + "_bn/" + member, naming), {1});
    const std::string mean = tensors.back().name;
    if (naming == Naming::caffe) add(mean.substr(0, mean.rfind('/')) + "/count", {1});
  }
  return tensors;
}

TensorFile file_of(ByteReader& in) {
  const std::string& model = model_names()[next(in) % model_names().size()];
  TensorFile file{"file", recognisable(model, next(in)), {}};
  while (!in.at_end() && !file.tensors.empty()) {
    const uint8_t number = next(in);
    if (number == kDescription) {
      file.metadata["description"] = in.take(in.left(), "a description");
      break;
    }
    const uint8_t change = next(in);
    const auto place = file.tensors.begin() + number % static_cast<int64_t>(file.tensors.size());
    const bool is_integer = (change & 0x20) != 0;
    const StoredTensor changed{(change & 0x40) != 0 ? "other/" + place->name : place->name, is_integer ? "I64" : "F32",
                               Tensor::zeros(next_shape(in, change & 7), is_integer ? DType::i64 : DType::f32)};
    if ((change & 0x80) != 0) {
      file.tensors.erase(place);
    } else if ((change & 0x10) != 0) {
      file.tensors.push_back(changed);
    } else {
      *place = changed;
    }
  }
  return file;
}

/// The model, or a SqueezeNet of that kind with few classes, made once; null of AlexNet, which is
/// not small, and if it cannot be made as the file says.
Module* model_of(Definition definition) {
  static std::map<std::string, std::unique_ptr<Module>> models;
  constexpr size_t kMostModels = 16;
  if (definition.model.starts_with("alexnet")) return nullptr;
  try {
    if (definition.model != "lenet") {
      const ModelOptions asked = options_of(definition);
      SqueezeNetMetaparameters m = asked.metaparameters;
      m.base_e = std::min<int64_t>(m.base_e, 128);
      m.incr_e = std::min<int64_t>(m.incr_e, 128);
      definition =
          define(definition.model,
                 {.classes = 2, .channels = 1, .bypass = asked.bypass, .norm = asked.norm, .metaparameters = m});
    }
    std::string key = definition.model;
    for (const auto& [name, value] : definition.options) key += " " + name + "=" + value;
    if (models.size() == kMostModels && !models.contains(key)) models.clear();
    std::unique_ptr<Module>& model = models[key];
    Rng rng(0);
    if (model == nullptr) model = make_model(definition, rng);
    return model.get();
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

bool recognise(std::string_view bytes) {
  return accepts([&] {
    ByteReader in("file", bytes);
    const TensorFile file = file_of(in);
    const std::optional<Recognised> known = kindling::recognise(file);
    if (!known) throw FileError("no model");
    Module* model = model_of(known->description.model);
    if (model == nullptr) return;
    const TensorFile own = translated(file, *model, known->description.model.model, known->naming);
    for (const StoredTensor& tensor : own.tensors)
      check(tensor.value().shape() == tensor.shape, "translated", tensor.name, " is not ", tensor.shape);
    load(*model, own, {.strict = false});
  });
}

}  // namespace kindling::fuzz
