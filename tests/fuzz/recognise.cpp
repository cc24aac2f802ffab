// The bytes make a file's tensors as some reader might return them, named after the layers of a model, so that names
// need not be guessed:
//   u8       the model; u8: whose names
//   then for the weight and the bias of each layer
//     u8     bits 0 to 2: the rank, 4 more, modulo 8; bit 5: of integers; bit 6: another name; bit 7: left out
//     u8     for each axis: its size, a number of a row in kSizes
//   then the file's description, if bytes are left
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

TensorFile file_of(ByteReader& in) {
  const std::string& model = model_names()[next(in) % model_names().size()];
  const auto naming = static_cast<Naming>(next(in) % naming_words().size());
  TensorFile file{"file", {}, {}};
  for (const std::string& layer : layer_paths(model))
    for (const char* member : {"/weight", "/bias"}) {
      const uint8_t code = next(in);
      if ((code & 0x80) != 0) continue;
      const std::string name = foreign_name(model, layer + member, naming);
      const bool is_integer = (code & 0x20) != 0;
      file.tensors.push_back({(code & 0x40) != 0 ? "other/" + name : name, is_integer ? "I64" : "F32",
                              Tensor::zeros(next_shape(in, (code + 4) % 8), is_integer ? DType::i64 : DType::f32)});
    }
  if (!in.at_end()) file.metadata["description"] = in.take(in.left(), "a description");
  return file;
}

/// A small model of that name and kind, made once; null of AlexNet, which is not small.
Module* model_of(const Definition& given) {
  static std::map<std::string, std::unique_ptr<Module>> models;
  try {
    const ModelOptions asked = options_of(given);
    const bool is_squeezenet = given.model.starts_with("squeezenet");
    if (given.model != "lenet" && !is_squeezenet) return nullptr;
    ModelOptions options{.classes = 2, .channels = 3, .norm = asked.norm};
    if (is_squeezenet) options.bypass = asked.bypass;
    const Definition definition = define(given.model, options);
    std::string key = definition.model;
    for (const auto& [name, value] : definition.options) key += " " + name + "=" + value;
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
    load(*model, own, {.strict = false});
  });
}

}  // namespace kindling::fuzz
