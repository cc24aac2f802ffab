#include <kindling/interop/recognise.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <unordered_map>

#include <kindling/io/elements.h>
#include <kindling/io/weights.h>
#include <kindling/models/definition.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {
namespace {

/// The tensors of a file by their names.
class Index {
 public:
  explicit Index(const TensorFile& file) {
    for (const StoredTensor& tensor : file.tensors) tensors_.emplace(tensor.name, &tensor);
  }
  const StoredTensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<std::string, const StoredTensor*> tensors_;
};

/// How the first layer tells the models apart: its filters and their pixels.
struct FirstLayer {
  std::string_view model;
  int64_t filters, pixels;
  std::optional<Form> form;  // nothing: that of both
};
constexpr FirstLayer kFirstLayers[] = {
    {"squeezenet1_0", 96, 7, {}},           {"squeezenet1_1", 64, 3, {}},  // and squeezenet_cifar
    {"alexnet", 64, 11, Form::torchvision}, {"alexnet", 96, 11, Form::caffe},
    {"alexnet_cifar", 64, 5, {}},           {"lenet", 20, 5, {}},
};

bool is_bypass(const std::string& layer) { return layer.ends_with("/bypass"); }

/// The axes of a convolution's weights in Kindling's order.
Shape from_foreign(const Shape& s, Naming naming) {
  return naming == Naming::kindling || s.rank() != 4 ? s : Shape{s[0], s[2], s[3], s[1]};
}

/// A file seen as that of one model with one kind of names.
class View {
 public:
  View(const TensorFile& file, const Index& index, std::string model, Naming naming)
      : file_(file), index_(index), model_(std::move(model)), naming_(naming), layers_(layer_paths(model_)) {}

  /// The file's tensor that is the model's `tensor`, or null.
  const StoredTensor* find(const std::string& tensor) const {
    const StoredTensor* found = index_.find(foreign_name(model_, tensor, naming_));
    if (found != nullptr || layers_.empty()) return found;
    const std::string& head = layers_.back();
    if (!tensor.starts_with(head + "/")) return nullptr;
    const std::optional<std::string> other = foreign_head();
    return other ? index_.find(*other + separator() + tensor.substr(head.size() + 1)) : nullptr;
  }

  /// Of a layer's weights, in Kindling's order of axes.
  std::optional<Shape> weight_shape(const std::string& layer) const {
    const StoredTensor* weight = find(layer + "/weight");
    return weight == nullptr ? std::nullopt : std::optional(from_foreign(weight->shape, naming_));
  }

  /// Whether every layer has weights, and all kernels are squares in this order of axes.
  bool fits() const {
    return std::all_of(layers_.begin(), layers_.end(), [&](const std::string& layer) {
      const std::optional<Shape> s = weight_shape(layer);
      if (!s) return is_bypass(layer) || (weight_shape(layer + "/0") && weight_shape(layer + "/1"));  // factored
      return s->rank() == 2 || (s->rank() == 4 && (*s)[1] == (*s)[2]);
    });
  }

  const std::vector<std::string>& layers() const { return layers_; }

 private:
  char separator() const { return naming_ == Naming::torchvision ? '.' : '/'; }

  /// The only layer of the file that no other layer of the model is, if it may be the last one
  /// under a name of its own: it takes as many channels as there are.
  std::optional<std::string> foreign_head() const {
    std::set<std::string> known;
    for (const std::string& layer : layers_)
      if (layer != layers_.back()) known.insert(foreign_name(model_, layer + "/weight", naming_));
    const std::string ending = std::string(1, separator()) + "weight";
    std::optional<std::string> head;
    for (const StoredTensor& tensor : file_.tensors) {
      if (!tensor.name.ends_with(ending) || known.contains(tensor.name) || !takes_all_channels(tensor.shape)) continue;
      if (head) return std::nullopt;
      head = tensor.name.substr(0, tensor.name.size() - ending.size());
    }
    return head;
  }

  bool takes_all_channels(const Shape& weight) const {
    const Shape s = from_foreign(weight, naming_);
    if (model_.starts_with("squeezenet")) return s.rank() == 4 && s[1] == 1 && s[2] == 1 && s[3] == fire9_channels();
    return s.rank() == 2 && s[1] == (model_.starts_with("alexnet") ? 4096 : 500);
  }
  int64_t fire9_channels() const {
    const StoredTensor *a = index_.find(foreign_name(model_, "fire9/expand1x1/weight", naming_)),
                       *b = index_.find(foreign_name(model_, "fire9/expand3x3/weight", naming_));
    return a == nullptr || b == nullptr || a->shape.rank() == 0 || b->shape.rank() == 0 ? -1
                                                                                        : a->shape[0] + b->shape[0];
  }

  const TensorFile& file_;
  const Index& index_;
  std::string model_;
  Naming naming_;
  std::vector<std::string> layers_;
};

constexpr Naming kNamings[] = {Naming::kindling, Naming::torchvision, Naming::caffe};

/// LeNet's input pixels, from the inputs of fc1: 50 channels of p x p pixels, two convolutions of 5
/// and two pools of 2 after the image. Of the sizes that end in p it is the usual one: 28 for 4.
int64_t lenet_size(int64_t inputs) {
  int64_t p = 1;
  while (p * p * 50 < inputs) ++p;
  return 4 * p + 12;
}

/// The pixels that ImageNet's models of that origin take.
std::optional<data::Preprocessing> usual_pixels(const Definition& model) {
  const ModelInfo info = model_info(model.model);
  if (info.classes != 1000 || channels_of(model) != info.channels) return std::nullopt;
  return imagenet_preprocessing(model.options.at("form"));
}

/// Throws FileError if the classes, channels or pixels of a model make a layer much larger than its
/// file: a few bytes must not cost gigabytes. Without its last layers a file may well be the
/// smaller one, so a layer may have 64 MB and twice the numbers of the file.
void check_room(const TensorFile& file, const Definition& definition) {
  ModelOptions options;
  try {
    options = options_of(definition);
  } catch (const Error&) {
    return;  // whoever makes the model says what is wrong
  }
  const bool is_lenet = definition.model == "lenet", is_alexnet = definition.model.starts_with("alexnet");
  const SqueezeNetMetaparameters& m = options.metaparameters;
  const double fire9 =  // channels, 512 of the published networks; see fire_table()
      static_cast<double>(m.base_e) +
      static_cast<double>(m.incr_e) * static_cast<double>(7 / std::max<int64_t>(m.freq, 1));
  // The weights of the last layer for a class and of the first for a channel. LeNet's fc1 has 500 outputs, and for its
  // inputs see lenet_size().
  const double per_class = is_lenet ? 500 : is_alexnet ? 4096 : fire9;
  const double per_channel = is_lenet ? 20 * 5 * 5 : is_alexnet ? 96 * 11 * 11 : 96 * 7 * 7;
  const double fc1_pixels = is_lenet ? std::max(0.0, (static_cast<double>(options.size) - 12) / 4) : 0;
  const auto classes = static_cast<double>(options.classes), channels = static_cast<double>(options.channels);

  int64_t numbers = 0;
  for (const StoredTensor& tensor : file.tensors) numbers += tensor.shape.numel();
  const double most = 16e6 + 2 * static_cast<double>(numbers);
  const auto check_layer = [&](const char* what, int64_t value, double weights) {
    if (weights > most)
      throw FileError(file.path + ": describes a model of " + std::to_string(value) + " " + what + ", but holds only " +
                      std::to_string(numbers) + " numbers");
  };
  if (!is_lenet && !is_alexnet)
    check_layer("filters in fire9", std::llround(std::min(fire9, 1e18)),
                fire9 * fire9 * std::max(1.0, 9 * m.sr * m.pct3x3));
  check_layer("classes", options.classes, classes * per_class);
  check_layer("channels", options.channels, channels * per_channel);
  check_layer("pixels", options.size, fc1_pixels * fc1_pixels * 50 * 500);
}

/// The file as one of that model, if it is one.
std::optional<Recognised> recognise_as(const FirstLayer& first, const TensorFile& file, const Index& index,
                                       Naming naming) {
  const std::string model(first.model);
  const View view(file, index, model, naming);
  if (!view.fits()) return std::nullopt;
  if (!view.weight_shape("conv1") || !view.weight_shape(view.layers().back())) return std::nullopt;
  const Shape conv1 = *view.weight_shape("conv1"), head = *view.weight_shape(view.layers().back());
  if (conv1.rank() != 4 || conv1[0] != first.filters || conv1[1] != first.pixels) return std::nullopt;

  Recognised result{.naming = naming, .by_names = true};
  ModelOptions options{.classes = head[0], .channels = conv1[3]};
  options.form = first.form.value_or(naming == Naming::caffe ? Form::caffe : Form::torchvision);
  if (model == "lenet") {
    const std::optional<Shape> fc1 = view.weight_shape("fc1");
    if (!fc1) return std::nullopt;
    options.size = lenet_size((*fc1)[1]);
  }
  if (view.find("conv1_bn/weight") != nullptr) options.norm = Norm::batch;
  if (view.find("fire2/bypass/weight") != nullptr) options.bypass = Bypass::complex;
  if (naming == Naming::kindling && model.starts_with("squeezenet")) {
    if (options.bypass == Bypass::none) result.open["bypass"] = {"none", "simple"};
    if (model == "squeezenet1_0") result.open["form"] = form_words();
    if (model == "squeezenet1_1") result.open["model"] = {"squeezenet1_1", "squeezenet_cifar"};
  }
  result.description.model = define(model, options);
  check_room(file, result.description.model);
  result.description.preprocessing = usual_pixels(result.description.model);
  return result;
}

/// As the file's description says, whose names are to be found out.
std::optional<Recognised> described(const TensorFile& file, const Index& index) {
  Recognised result{.description = read_description(file.metadata, file.path)};
  const std::string& model = result.description.model.model;
  if (model.empty()) return std::nullopt;
  check_room(file, result.description.model);
  for (const Naming naming : kNamings)
    if (!layer_paths(model).empty() && View(file, index, model, naming).fits()) {
      result.naming = naming;
      break;
    }
  return result;
}

/// The tensor in the other order of axes. Of weights behind a Flatten, `channels` are those of the
/// map, else 0.
Tensor to_kindling(const Tensor& x, int64_t channels) {
  if (x.rank() == 4) return x.permute({0, 2, 3, 1}).contiguous();
  if (channels == 0 || x.rank() != 2 || x.size(1) % channels != 0) return x;
  return x.reshape({x.size(0), channels, x.size(1) / channels}).permute({0, 2, 1}).contiguous().reshape(x.shape());
}
Tensor from_kindling(const Tensor& x, int64_t channels) {
  if (x.rank() == 4) return x.permute({0, 3, 1, 2}).contiguous();
  if (channels == 0 || x.rank() != 2 || x.size(1) % channels != 0) return x;
  return x.reshape({x.size(0), x.size(1) / channels, channels}).permute({0, 2, 1}).contiguous().reshape(x.shape());
}

/// Calls f(tensor, channels) for a model's tensors; `channels` is 0 but for the weights of a Linear
/// layer behind the last map, of which it is the number of channels.
template <class F>
void for_each_tensor(Module& model, F f) {
  int64_t channels = 0;
  for (const NamedTensor& tensor : named_tensors(model)) {
    const bool behind_map = tensor.value.rank() == 2 && channels > 0;
    f(tensor, behind_map ? channels : 0);
    if (tensor.value.rank() == 4) channels = tensor.value.size(0);
    if (behind_map) channels = 0;
  }
}

/// What to divide Caffe's sums of statistics by, which is a tensor beside them. Nothing if there is
/// none.
std::function<Tensor()> count_of(const Index& index, const std::string& statistic) {
  const StoredTensor* count = index.find(statistic.substr(0, statistic.rfind('/')) + "/count");
  return count == nullptr || count->shape.numel() != 1 ? nullptr : count->value;
}

Tensor divided_by(const Tensor& sum, const Tensor& count) {
  const double n = count.to(DType::f64).item<double>();
  return sum * (n == 0 ? 0 : 1 / n);
}

bool is_statistic(const std::string& name) { return name.ends_with("/running_mean") || name.ends_with("/running_var"); }

}  // namespace

std::string describe(const Choices& choices, const std::string& prefix) {
  std::string text;
  for (const auto& [option, values] : choices) {
    text += (text.empty() ? "" : ", ") + prefix + option;
    for (size_t i = 0; i < values.size(); ++i) text += (i == 0 ? " " : " or ") + values[i];
  }
  return text;
}

std::optional<Recognised> recognise(const TensorFile& file) {
  const Index index(file);
  std::optional<Recognised> result = described(file, index);
  for (const Naming naming : kNamings)
    for (const FirstLayer& first : kFirstLayers)
      if (!result) result = recognise_as(first, file, index, naming);
  return result;
}

std::optional<Shape> shape_in(const TensorFile& file, const std::string& model, const std::string& tensor,
                              Naming naming) {
  const std::string name = foreign_name(model, tensor, naming);
  for (const StoredTensor& stored : file.tensors)
    if (stored.name == name) return from_foreign(stored.shape, naming);
  return std::nullopt;
}

TensorFile translated(const TensorFile& file, Module& model, const std::string& name, Naming naming) {
  if (naming == Naming::kindling) return file;
  const Index index(file);
  const View view(file, index, name, naming);
  TensorFile result{file.path, {}, file.metadata};
  std::set<const StoredTensor*> used;
  for_each_tensor(model, [&](const NamedTensor& tensor, int64_t channels) {
    const StoredTensor* found = view.find(tensor.name);
    if (found == nullptr) return;
    used.insert(found);
    const bool is_sum = naming == Naming::caffe && is_statistic(tensor.name) && is_floating(memory_dtype(found->dtype));
    const auto count = is_sum ? count_of(index, found->name) : nullptr;
    result.tensors.emplace_back(tensor.name, found->dtype, from_foreign(found->shape, naming),
                                [value = found->value, channels, count] {
                                  const Tensor x = to_kindling(value(), channels);
                                  return count ? divided_by(x, count()) : x;
                                });
  });
  const auto is_counter = [](const std::string& tensor) {
    return tensor.ends_with(".num_batches_tracked") || tensor.ends_with("/bn/count");
  };
  for (const StoredTensor& tensor : file.tensors)
    if (!used.contains(&tensor) && !is_counter(tensor.name)) result.tensors.push_back(tensor);
  return result;
}

std::vector<NamedTensor> foreign_tensors(Module& model, const std::string& name, Naming naming) {
  std::vector<NamedTensor> result;
  if (naming == Naming::kindling) return named_tensors(model);
  for_each_tensor(model, [&](const NamedTensor& tensor, int64_t channels) {
    const std::string foreign = foreign_name(name, tensor.name, naming);
    result.push_back({foreign, from_kindling(tensor.value, channels)});
    if (naming == Naming::caffe && tensor.name.ends_with("/running_var"))
      result.push_back({foreign.substr(0, foreign.rfind('/')) + "/count", Tensor::full({1}, 1.0)});
  });
  return result;
}

}  // namespace kindling
