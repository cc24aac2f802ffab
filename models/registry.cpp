#include <kindling/models/registry.h>

#include <string_view>
#include <utility>

#include <kindling/models/alexnet.h>
#include <kindling/models/lenet.h>

namespace kindling {
namespace {

/// A model that can be made by name, and what each of its forms was made for.
struct Entry {
  std::string_view name;
  ModelInfo torchvision, caffe;
  /// Makes it from options without zeros.
  std::unique_ptr<Module> (*make)(const std::string& name, const ModelOptions& options, Rng& rng);
};

const SqueezeNetMetaparameters kPublished;

template <class Model>
std::unique_ptr<Module> boxed(Model model) {
  return std::make_unique<Model>(std::move(model));
}

void refuse_squeezenet_options(const std::string& name, const ModelOptions& options) {
  const std::string model = "model '" + name + "' ";
  if (options.bypass != Bypass::none) throw Error(model + "has no bypass");
  if (options.norm != Norm::none) throw Error(model + "has no batch normalisation");
  if (options.conv10_bias) throw Error(model + "has no conv10");
  if (options.metaparameters != kPublished)
    throw Error(model + "is no SqueezeNet, which squeeze_ratio, pct3x3, base_e, incr_e, freq and pools are for");
}

template <class Options>
Options with_dropout(Options options, const std::optional<double>& dropout) {
  if (dropout) options.dropout = *dropout;
  return options;
}

std::unique_ptr<Module> make_lenet(const std::string& name, const ModelOptions& options, Rng& rng) {
  refuse_squeezenet_options(name, options);
  if (options.dropout) throw Error("model 'lenet' has no dropout");
  return boxed(lenet({.classes = options.classes, .channels = options.channels, .size = options.size}, rng));
}

template <Sequential (*AlexNet)(const AlexNetOptions&, Rng&)>
std::unique_ptr<Module> make_alexnet(const std::string& name, const ModelOptions& options, Rng& rng) {
  refuse_squeezenet_options(name, options);
  const ModelInfo info = model_info(name, options.form);
  if (options.size != info.size || options.channels != info.channels)
    throw Error("model '" + name + "' takes images of " + std::to_string(info.size) +
                " pixels and 3 channels in this form, not " + std::to_string(options.size) + " pixels and " +
                std::to_string(options.channels) + " channels");
  return boxed(
      AlexNet(with_dropout(AlexNetOptions{.classes = options.classes, .form = options.form}, options.dropout), rng));
}

template <SqueezeNet (*Published)(const SqueezeNetOptions&, Rng&)>
std::unique_ptr<Module> make_squeezenet(const std::string& name, const ModelOptions& options, Rng& rng) {
  SqueezeNetOptions own{.classes = options.classes,
                        .bypass = options.bypass,
                        .form = options.form,
                        .norm = options.norm,
                        .channels = options.channels,
                        .conv10_bias = options.conv10_bias.value_or(0.0)};
  own = with_dropout(own, options.dropout);
  if (options.metaparameters == kPublished) return boxed(Published(own, rng));
  return boxed(squeezenet(name, options.metaparameters, own, rng));
}

// Sizes are those of the published weights; the smallest ones leave a pixel after the last pool.
constexpr Entry kModels[] = {
    // name, {classes, channels, size, smallest size, any size} of torchvision's form and of Caffe's
    {"lenet", {10, 1, 28, 13, false}, {10, 1, 28, 13, false}, make_lenet},
    {"alexnet", {1000, 3, 224, 224, false}, {1000, 3, 227, 227, false}, make_alexnet<alexnet>},
    {"alexnet_cifar", {10, 3, 32, 32, false}, {10, 3, 32, 32, false}, make_alexnet<alexnet_cifar>},
    {"squeezenet1_0", {1000, 3, 224, 21, true}, {1000, 3, 227, 21, true}, make_squeezenet<squeezenet1_0>},
    {"squeezenet1_1", {1000, 3, 224, 17, true}, {1000, 3, 227, 17, true}, make_squeezenet<squeezenet1_1>},
    {"squeezenet_cifar", {10, 3, 32, 8, true}, {10, 3, 32, 8, true}, make_squeezenet<squeezenet_cifar>},
};

const Entry& find_entry(const std::string& name) {
  for (const Entry& entry : kModels) {
    if (entry.name == name) return entry;
  }
  std::string names;
  for (const std::string& known : model_names()) names += ' ' + known;
  throw Error("no model '" + name + "'; there are:" + names);
}

}  // namespace

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Entry& entry : kModels) result.emplace_back(entry.name);
    return result;
  }();
  return names;
}

ModelInfo model_info(const std::string& name, Form form) {
  const Entry& entry = find_entry(name);
  return form == Form::caffe ? entry.caffe : entry.torchvision;
}

ModelInfo model_info(const std::string& name, const ModelOptions& options) {
  ModelInfo info = model_info(name, options.form);
  const std::vector<int64_t>& pools = options.metaparameters.pools;
  if (!pools.empty() && name.starts_with("squeezenet")) info.smallest_size = smallest_image(name, pools);
  return info;
}

std::unique_ptr<Module> make_model(const std::string& name, const ModelOptions& options, Rng& rng) {
  const Entry& entry = find_entry(name);
  const ModelInfo info = model_info(name, options.form);
  ModelOptions complete = options;
  if (complete.classes == 0) complete.classes = info.classes;
  if (complete.channels == 0) complete.channels = info.channels;
  if (complete.size == 0) complete.size = info.size;
  return entry.make(name, complete, rng);
}

}  // namespace kindling
