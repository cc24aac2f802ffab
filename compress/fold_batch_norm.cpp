#include <kindling/compress/fold_batch_norm.h>

#include <map>

#include <kindling/compress/weight_layers.h>
#include <kindling/models/definition.h>
#include <kindling/nn/norm.h>
#include <kindling/tensor/elementwise.h>

namespace kindling {
namespace {

/// The parameters of a model, and its normalisations by their paths.
struct Parts {
  explicit Parts(Module& model) {
    for (const NamedParameter& entry : model.named_parameters()) parameters[entry.name] = entry.value.value();
    for (const auto& [path, part] : parts_with_paths(model))
      if (auto* const norm = dynamic_cast<BatchNorm2d*>(part)) norms[path] = norm;
  }

  std::map<std::string, Tensor> parameters;
  std::map<std::string, BatchNorm2d*> norms;
};

/// Writes the layer's numbers in double precision, then in its own.
void set(Variable& to, const Tensor& value) { to = Variable(value.to(to.dtype()).clone(), true); }

void fold(const WeightLayer& to, const Tensor& weight, const Tensor& bias, const BatchNorm2d& norm) {
  const Tensor scale = norm.weight.value().to(DType::f64) *
                       rsqrt(norm.running_var.to(DType::f64) + norm.options().eps);  // gamma / sqrt(var + eps)
  Shape rows = Shape::filled(weight.rank(), 1);
  rows[0] = scale.size(0);
  set(*to.weight, weight.to(DType::f64) * scale.reshape(rows));
  const Tensor centred =
      bias.defined() ? bias.to(DType::f64) - norm.running_mean.to(DType::f64) : norm.running_mean.to(DType::f64) * -1.0;
  set(*to.bias, centred * scale + norm.bias.value().to(DType::f64));
}

Tensor find(const std::map<std::string, Tensor>& parameters, const std::string& name) {
  const auto entry = parameters.find(name);
  return entry == parameters.end() ? Tensor() : entry->second;
}

}  // namespace

std::unique_ptr<Module> fold_batch_norm(Module& model) {
  if (model.definition().model.empty())
    throw Error("fold_batch_norm: the model does not say what it was made from; fold one of models/ as it was made");
  Definition definition = model.definition();
  definition.options["norm"] = norm_words().front();
  Rng rng;
  std::unique_ptr<Module> folded = make_model(definition, rng);
  folded->to(model.dtype());
  folded->eval();
  Parts parts(model);
  for (const WeightLayer& layer : weight_layers(*folded)) {
    const Tensor weight = find(parts.parameters, layer.path + "/weight");
    const Tensor bias = find(parts.parameters, layer.path + "/bias");
    if (parts.parameters.contains(layer.path + "/0/weight"))
      throw Error("fold_batch_norm: " + layer.path +
                  " is factored into two layers; factored models can be shared, "
                  "but not rounded to a grid");
    if (!weight.defined()) throw Error("fold_batch_norm: the model has no layer " + layer.path);
    const auto norm = parts.norms.extract(layer.path + "_bn");
    if (!norm.empty()) {
      fold(layer, weight, bias, *norm.mapped());
      continue;
    }
    set(*layer.weight, weight);
    if (bias.defined()) set(*layer.bias, bias);
  }
  if (!parts.norms.empty())
    throw Error("fold_batch_norm: " + parts.norms.begin()->first + " follows no convolution of its name");
  return folded;
}

}  // namespace kindling
