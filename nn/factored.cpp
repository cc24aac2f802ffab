#include <kindling/nn/factored.h>

#include <kindling/nn/conv.h>
#include <kindling/nn/freeze.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/replace.h>
#include <kindling/nn/sequential.h>

namespace kindling {
namespace {

[[noreturn]] void refuse(const Shape& first, const Shape& second, const Shape& weight) {
  check(false, "make_factored", "weights ", first, " and ", second, " are no two factors of one of shape ", weight);
  throw Error("make_factored");
}

std::unique_ptr<Sequential> make_linear(const Linear& layer, const Shape& first, const Shape& second) {
  const Shape weight = layer.weight.shape();
  const int64_t rank = first[0];
  if (first != Shape{rank, weight[1]} || second != Shape{weight[0], rank}) refuse(first, second, weight);
  Rng rng(0);
  auto pair = std::make_unique<Sequential>();
  pair->add("0", Linear(weight[1], rank, {.bias = false, .init = init::zeros()}, rng));
  pair->add("1",
            Linear(rank, weight[0], {.bias = layer.bias.defined(), .relu = layer.relu(), .init = init::zeros()}, rng));
  return pair;
}

/// The options of one axis, for the one of two layers that has it.
struct Axis {
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;
};

std::unique_ptr<Sequential> make_conv(const Conv2d& layer, const Shape& first, const Shape& second) {
  const Shape weight = layer.weight.shape();
  const Conv2dOptions& o = layer.options();
  if (o.groups != 1) throw Error("make_factored: a convolution in groups cannot be factored");
  const Axis h{weight[1], o.stride.h, o.padding.h, o.dilation.h}, w{weight[2], o.stride.w, o.padding.w, o.dilation.w};
  const int64_t rank = first[0];
  const bool first_h = first[1] == h.kernel, first_w = first[2] == w.kernel;
  const Axis h0 = first_h ? h : Axis{}, w0 = first_w ? w : Axis{}, h1 = first_h ? Axis{} : h, w1 = first_w ? Axis{} : w;
  if (first != Shape{rank, h0.kernel, w0.kernel, weight[3]} || second != Shape{weight[0], h1.kernel, w1.kernel, rank})
    refuse(first, second, weight);
  const auto options = [](const Axis& y, const Axis& x) {
    return ConvOptions{.kernel = {y.kernel, x.kernel},
                       .stride = {y.stride, x.stride},
                       .padding = {y.padding, x.padding},
                       .dilation = {y.dilation, x.dilation},
                       .init = init::zeros()};
  };
  ConvOptions options0 = options(h0, w0), options1 = options(h1, w1);
  options0.bias = false;
  options1.bias = layer.bias.defined(), options1.relu = layer.relu();
  Rng rng(0);
  auto pair = std::make_unique<Sequential>();
  pair->add("0", Conv2d(weight[3], rank, options0, rng));
  pair->add("1", Conv2d(rank, weight[0], options1, rng));
  return pair;
}

}  // namespace

std::unique_ptr<Module> make_factored(Module& layer, const Shape& first, const Shape& second) {
  std::unique_ptr<Sequential> pair;
  if (const auto* linear = dynamic_cast<Linear*>(&layer)) {
    if (first.rank() != 2 || second.rank() != 2) refuse(first, second, linear->weight.shape());
    pair = make_linear(*linear, first, second);
  } else if (const auto* conv = dynamic_cast<Conv2d*>(&layer)) {
    if (first.rank() != 4 || second.rank() != 4) refuse(first, second, conv->weight.shape());
    pair = make_conv(*conv, first, second);
  } else {
    throw Error("make_factored: a layer " + layer.kind() + " cannot be factored, only Linear and Conv2d");
  }
  pair->to(layer.dtype());
  return pair;
}

void factor_as_in(Module& model, FunctionRef<std::optional<Shape>(const std::string& tensor)> shape_of) {
  const Definition definition = model.definition();
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string path = layer_of(name);
    const std::optional<Shape> first = shape_of(path + "/0/weight"), second = shape_of(path + "/1/weight");
    if (!name.ends_with("/weight") || !first || !second || shape_of(name)) continue;
    replace(model, path, [&](Module& layer) { return make_factored(layer, *first, *second); });
  }
  model.set_definition(definition);
}

}  // namespace kindling
