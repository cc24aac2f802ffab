#include <kindling/interop/names.h>

#include <algorithm>
#include <span>

namespace kindling {
namespace {

/// One layer, or one part of a Fire module.
struct Row {
  std::string_view kindling, torchvision, caffe;
};

// torchvision numbers the rows of a Sequential, ReLU and pools too: squeezenet.py, alexnet.py.
constexpr Row kSqueezeNet1_0[] = {{"conv1", "features.0", "conv1"},  {"fire2", "features.3", "fire2"},
                                  {"fire3", "features.4", "fire3"},  {"fire4", "features.5", "fire4"},
                                  {"fire5", "features.7", "fire5"},  {"fire6", "features.8", "fire6"},
                                  {"fire7", "features.9", "fire7"},  {"fire8", "features.10", "fire8"},
                                  {"fire9", "features.12", "fire9"}, {"conv10", "classifier.1", "conv10"}};
constexpr Row kSqueezeNet1_1[] = {  // squeezenet_cifar has the same layers
    {"conv1", "features.0", "conv1"},    {"fire2", "features.3", "fire2"},  {"fire3", "features.4", "fire3"},
    {"fire4", "features.6", "fire4"},    {"fire5", "features.7", "fire5"},  {"fire6", "features.9", "fire6"},
    {"fire7", "features.10", "fire7"},   {"fire8", "features.11", "fire8"}, {"fire9", "features.12", "fire9"},
    {"conv10", "classifier.1", "conv10"}};
constexpr Row kFire[] = {{"squeeze", "squeeze", "squeeze1x1"},
                         {"expand1x1", "expand1x1", "expand1x1"},
                         {"expand3x3", "expand3x3", "expand3x3"},
                         {"bypass", "bypass", "bypass"}};
constexpr Row kAlexNet[] = {{"conv1", "features.0", "conv1"},  {"conv2", "features.3", "conv2"},
                            {"conv3", "features.6", "conv3"},  {"conv4", "features.8", "conv4"},
                            {"conv5", "features.10", "conv5"}, {"fc6", "classifier.1", "fc6"},
                            {"fc7", "classifier.4", "fc7"},    {"fc8", "classifier.6", "fc8"}};
// torchvision has no LeNet; Caffe's is examples/mnist/lenet_train_test.prototxt.
constexpr Row kLeNet[] = {
    {"conv1", "conv1", "conv1"}, {"conv2", "conv2", "conv2"}, {"fc1", "fc1", "ip1"}, {"fc2", "fc2", "ip2"}};

std::span<const Row> layers_of(std::string_view model) {
  if (model == "squeezenet1_0") return kSqueezeNet1_0;
  if (model == "squeezenet1_1" || model == "squeezenet_cifar") return kSqueezeNet1_1;
  if (model == "alexnet" || model == "alexnet_cifar") return kAlexNet;
  if (model == "lenet") return kLeNet;
  return {};
}

std::string renamed(std::span<const Row> rows, const std::string& name, Naming naming) {
  for (const Row& row : rows)
    if (row.kindling == name) return std::string(naming == Naming::caffe ? row.caffe : row.torchvision);
  return name;
}

/// Of a tensor of batch normalisation: the layer, and the tensor in it.
std::string caffe_norm(const std::string& member) {
  if (member == "running_mean") return "/bn/mean";
  if (member == "running_var") return "/bn/variance";
  return "/scale/" + member;
}

}  // namespace

const std::vector<std::string>& naming_words() {
  static const std::vector<std::string> words{"kindling", "torchvision", "caffe"};
  return words;
}

std::vector<std::string> layer_paths(const std::string& model) {
  std::vector<std::string> paths;
  for (const Row& layer : layers_of(model)) {
    const std::string name(layer.kindling);
    if (!name.starts_with("fire")) paths.push_back(name);
    if (name.starts_with("fire"))
      for (const Row& part : kFire) paths.push_back(name + "/" + std::string(part.kindling));
  }
  return paths;
}

std::string foreign_name(const std::string& model, const std::string& tensor, Naming naming) {
  if (naming == Naming::kindling) return tensor;
  const char separator = naming == Naming::caffe ? '/' : '.';
  constexpr std::string_view kNorm = "_bn";
  std::string result;
  std::span<const Row> rows = layers_of(model);
  for (size_t begin = 0;;) {  // "fire2", "squeeze_bn", "weight"
    const size_t end = tensor.find('/', begin);
    std::string word = tensor.substr(begin, end - begin);
    if (end == std::string::npos) return result.empty() ? word : result + separator + word;
    const bool is_norm = word.ends_with(kNorm);
    if (is_norm) word.resize(word.size() - kNorm.size());
    if (!result.empty()) result += separator;
    result += renamed(rows, word, naming);
    if (is_norm && naming == Naming::caffe) return result + caffe_norm(tensor.substr(end + 1));
    if (is_norm) result += kNorm;
    rows = kFire;
    begin = end + 1;
  }
}

}  // namespace kindling
