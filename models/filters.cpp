#include <kindling/models/filters.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>
#include <utility>

#include <kindling/models/fire.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/norm.h>
#include <kindling/nn/sequential.h>

namespace kindling {
namespace {

using Indices = std::vector<int64_t>;

/// Neighbouring channels that one layer makes. Those of the image have no layer.
struct Segment {
  static constexpr size_t kImage = static_cast<size_t>(-1);
  size_t layer;
  int64_t channels;
};
using Channels = std::vector<Segment>;

int64_t count(const Channels& channels) {
  int64_t sum = 0;
  for (const Segment& segment : channels) sum += segment.channels;
  return sum;
}

struct Part {
  std::string name;
  Module* module;
};

struct Parts final : Visitor {
  std::vector<Part> parts;
  explicit Parts(Module& module) { module.visit(*this); }
  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view name, Module& child) override { parts.push_back({std::string(name), &child}); }
};

/// Which layer's filters become which layer's channels.
class Flow {
 public:
  struct Layer {
    std::string path;
    Variable *weight, *bias;
    Channels input;
    bool removable = true;
    int64_t filters() const { return weight->size(0); }
  };
  struct Norm {
    BatchNorm2d* module;
    Channels input;
  };

  explicit Flow(Module& model) { lock(walk(model, "", {})); }

  std::vector<Layer> layers;
  std::vector<Norm> norms;

 private:
  Channels walk(Module& module, const std::string& path, Channels in) {
    if (auto* fire = dynamic_cast<Fire*>(&module)) return through_fire(*fire, path, in);
    if (auto* conv = dynamic_cast<Conv2d*>(&module)) {
      if (conv->options().groups != 1) throw Error("filters: " + path + " is a convolution in groups");
      return add({path, &conv->weight, &conv->bias, std::move(in)});
    }
    if (auto* linear = dynamic_cast<Linear*>(&module))
      return add({path, &linear->weight, &linear->bias, std::move(in)});
    if (auto* norm = dynamic_cast<BatchNorm2d*>(&module)) {
      norms.push_back({norm, in});
      return in;
    }
    const bool is_row = dynamic_cast<Sequential*>(&module) != nullptr;
    if (!is_row && (module.has_parts() || !module.parameters().empty()))
      throw Error("filters: nothing is known of how channels go through " + path + ", a layer " + module.kind());
    for (const Part& part : Parts(module).parts) in = walk(*part.module, below(path, part.name), std::move(in));
    return in;
  }

  Channels through_fire(Fire& fire, const std::string& path, const Channels& in) {
    const std::vector<Part> parts = Parts(fire).parts;
    const auto through = [&](const std::string& name, Channels channels) {  // the layer and its normalisation
      for (const Part& part : parts)
        if (part.name == name || part.name == name + "_bn")
          channels = walk(*part.module, below(path, part.name), std::move(channels));
      return channels;
    };
    const Channels s = through("squeeze", in);
    Channels y = through("expand1x1", s);
    const Channels e3x3 = through("expand3x3", s);
    y.insert(y.end(), e3x3.begin(), e3x3.end());
    if (fire.shortcut() == Shortcut::none) return y;
    lock(through("bypass", in));  // of an identity, the input itself
    lock(y);
    return y;
  }

  Channels add(Layer layer) {
    const int64_t inputs = layer.weight->shape().back();
    if (layer.input.empty()) layer.input = {{Segment::kImage, inputs}};
    const int64_t channels = count(layer.input);  // behind a Flatten each has several pixels
    check(channels > 0 && inputs % channels == 0, "filters", layer.path, " takes ", inputs, " channels of ", channels);
    const Channels out{{layers.size(), layer.filters()}};
    layers.push_back(std::move(layer));
    return out;
  }

  void lock(const Channels& channels) {
    for (const Segment& segment : channels)
      if (segment.layer != Segment::kImage) layers[segment.layer].removable = false;
  }

  static std::string below(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "/" + name;
  }
};

Indices all_of(int64_t n) {
  Indices indices(static_cast<size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

/// The elements of x at these indices of the axis.
Tensor take(const Tensor& x, int64_t axis, const Indices& indices) {
  if (std::ssize(indices) == x.size(axis)) return x;
  Shape shape = x.shape();
  shape[axis < 0 ? axis + x.rank() : axis] = std::ssize(indices);
  Tensor result = Tensor::empty(shape, x.dtype());
  for (size_t i = 0; i < indices.size(); ++i)
    result.select(axis, static_cast<int64_t>(i)).copy_(x.select(axis, indices[i]));
  return result;
}

/// A parameter of which `cut` leaves a part.
template <class Cut>
void narrow(Variable& parameter, Cut cut) {
  if (!parameter.defined()) return;
  Variable left(cut(parameter.value()).clone(), true);
  if (const auto& [codes, shared] = parameter.constraint(); codes.defined())
    left.set_constraint({cut(codes).clone(), shared});
  left.set_requires_grad(parameter.requires_grad());
  parameter = left;
}

/// The channels of `input` that are left.
Indices channels_left(const Channels& input, const std::vector<Indices>& kept) {
  Indices result;
  int64_t begin = 0;
  for (const Segment& segment : input) {
    const Indices& own = segment.layer == Segment::kImage ? all_of(segment.channels) : kept[segment.layer];
    for (const int64_t channel : own) result.push_back(begin + channel);
    begin += segment.channels;
  }
  return result;
}

void cut_layer(Flow::Layer& layer, const Indices& filters, const std::vector<Indices>& kept) {
  const int64_t channels = count(layer.input), pixels = layer.weight->shape().back() / channels;
  const Indices left = channels_left(layer.input, kept);
  Indices columns;
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (const int64_t channel : left) columns.push_back(pixel * channels + channel);
  narrow(*layer.weight, [&](const Tensor& x) { return take(take(x, 0, filters), -1, columns); });
  narrow(*layer.bias, [&](const Tensor& x) { return take(x, 0, filters); });
}

/// The filters to keep of each layer of the flow.
std::vector<Indices> checked(const Flow& flow, const std::map<std::string, Indices>& kept) {
  std::vector<Indices> result;
  size_t known = 0;
  for (const Flow::Layer& layer : flow.layers) {
    const auto entry = kept.find(layer.path);
    if (entry == kept.end()) {
      result.push_back(all_of(layer.filters()));
      continue;
    }
    const Indices& own = entry->second;
    ++known;
    const bool ascending = std::adjacent_find(own.begin(), own.end(), std::greater_equal<>()) == own.end();
    if (own.empty() || !ascending || own.front() < 0 || own.back() >= layer.filters())
      throw Error("keep_filters: " + layer.path + " has filters 0 to " + std::to_string(layer.filters() - 1) +
                  ", of which one or more are to be named in ascending order");
    if (!layer.removable && std::ssize(own) < layer.filters())
      throw Error("keep_filters: all outputs of " + layer.path + " are needed, by a bypass or as those of the model");
    result.push_back(own);
  }
  if (known == kept.size()) return result;
  std::string names;
  for (const Flow::Layer& layer : flow.layers) names += ' ' + layer.path;
  throw Error("keep_filters: a layer that is named is not there; there are:" + names);
}

/// The definition of a model that has so many filters in some layers.
Definition narrowed(Definition definition, const Flow& flow, const std::vector<Indices>& kept) {
  if (definition.model.empty()) return definition;
  std::map<std::string, int64_t> counts = parse_filters(definition.options[kFiltersOption]);
  for (size_t i = 0; i < kept.size(); ++i) {
    std::string path = flow.layers[i].path;
    if (std::ssize(kept[i]) == flow.layers[i].filters() || path.ends_with("/0")) continue;
    if (path.ends_with("/1")) path.resize(path.size() - 2);  // the outputs of a factored layer are those of its second
    counts[path] = std::ssize(kept[i]);                      // half; the rank is known by the tensors
  }
  std::string text;
  for (const auto& [path, filters] : counts) text += (text.empty() ? "" : " ") + path + ":" + std::to_string(filters);
  definition.options[kFiltersOption] = text;
  if (text.empty()) definition.options.erase(kFiltersOption);
  return definition;
}

}  // namespace

std::vector<FilterLayer> filter_layers(Module& model) {
  std::vector<FilterLayer> result;
  for (const Flow::Layer& layer : Flow(model).layers) result.push_back({layer.path, layer.filters(), layer.removable});
  return result;
}

void keep_filters(Module& model, const std::map<std::string, std::vector<int64_t>>& kept) {
  Flow flow(model);
  const std::vector<Indices> filters = checked(flow, kept);
  model.set_definition(narrowed(model.definition(), flow, filters));
  for (size_t i = 0; i < filters.size(); ++i) cut_layer(flow.layers[i], filters[i], filters);
  for (auto& [norm, input] : flow.norms) {
    const Indices left = channels_left(input, filters);
    const auto cut = [&](const Tensor& x) { return take(x, 0, left); };
    narrow(norm->weight, cut);
    narrow(norm->bias, cut);
    norm->running_mean = cut(norm->running_mean);
    norm->running_var = cut(norm->running_var);
  }
}

std::map<std::string, int64_t> parse_filters(const std::string& text) {
  std::map<std::string, int64_t> counts;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t colon = std::min(word.rfind(':'), word.size() - 1);
    const char *begin = word.data() + colon + 1, *end = word.data() + word.size();
    int64_t filters = 0;
    if (const auto [stop, error] = std::from_chars(begin, end, filters);
        error != std::errc() || stop != end || filters < 1)
      throw Error("filters \"" + word + "\" is no layer with its number of filters, as conv1:48");
    counts[word.substr(0, colon)] = filters;
  }
  return counts;
}

void keep_first_filters(Module& model, const std::map<std::string, int64_t>& counts) {
  std::map<std::string, std::vector<int64_t>> kept;
  for (const FilterLayer& layer : filter_layers(model))
    if (const auto found = counts.find(layer.path); found != counts.end()) {
      if (found->second > layer.filters)
        throw Error("filters: " + layer.path + " has " + std::to_string(layer.filters) + ", not " +
                    std::to_string(found->second));
      kept[layer.path] = all_of(found->second);
    }
  for (const auto& [path, filters] : counts)
    if (!kept.contains(path)) throw Error("filters: there is no layer " + path);
  keep_filters(model, kept);
}

}  // namespace kindling
