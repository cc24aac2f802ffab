// Logits, loss and gradients of a model for given weights, images and labels: what tools/check_against_pytorch.py
// compares with PyTorch's.
//
// kindling_dump_gradients --model M [--bypass B] [--form F] [--norm N] --classes K --size PX --dtype f32|f64 IN OUT
//
// IN is a safetensors file with the weights by name, `input` [N,H,W,C] and `labels` [N] (i64). OUT gets `logits` [N,K],
// `loss` [1] (mean cross-entropy) and `grad/NAME` for every parameter. Dropout is off; batch normalisation uses the
// batch's statistics.
#include <cstdio>
#include <exception>
#include <iterator>
#include <string>

#include <CLI/CLI.hpp>

#include <kindling/io/safetensors.h>
#include <kindling/models/registry.h>
#include <kindling/nn/dropout.h>
#include <kindling/nn/loss.h>

namespace kindling {
namespace {

struct Options {
  std::string model, in, out;
  ModelOptions details;
  DType dtype = DType::f32;
};

/// Fills parameters and buffers from a file that holds other tensors too.
class Fill final : public Visitor {
 public:
  Fill(Module& model, const SafetensorsFile& file) : file_(file) { model.visit(*this); }

  void operator()(std::string_view name, Variable& parameter) override {
    if (parameter.defined()) fill(name, parameter.value());
  }
  void operator()(std::string_view name, Tensor& buffer) override {
    if (buffer.defined()) fill(name, buffer);
  }
  void operator()(std::string_view name, Module& part) override {
    const size_t length = path_.size();
    path_.append(name).append("/");
    part.visit(*this);
    path_.resize(length);
  }

 private:
  void fill(std::string_view name, Tensor& tensor) {
    const std::string path = path_ + std::string(name);
    const Tensor value = file_.read(path);
    check(value.shape() == tensor.shape(), "dump_gradients", path, " is ", value.shape(), ", the model needs ",
          tensor.shape());
    tensor.copy_(value.to(tensor.dtype()));
  }

  const SafetensorsFile& file_;
  std::string path_;
};

/// Puts all Dropout layers, and nothing else, into evaluation mode.
class DropoutOff final : public Visitor {
 public:
  explicit DropoutOff(Module& model) { model.visit(*this); }
  void operator()(std::string_view, Variable&) override {}
  void operator()(std::string_view, Tensor&) override {}
  void operator()(std::string_view, Module& part) override {
    if (dynamic_cast<Dropout*>(&part) != nullptr) part.eval();
    part.visit(*this);
  }
};

void dump(const Options& options) {
  const SafetensorsFile file(options.in);
  Rng rng(0);
  const std::unique_ptr<Module> model = make_model(options.model, options.details, rng);
  model->to(options.dtype);
  Fill{*model, file};
  DropoutOff{*model};

  const Variable logits = (*model)(file.read("input").to(options.dtype));
  const Variable loss = cross_entropy(logits, file.read("labels"));
  loss.backward();
  std::vector<NamedTensor> results{{"logits", logits.value()}, {"loss", loss.value().reshape({1})}};
  for (const auto& [name, parameter] : model->named_parameters()) results.push_back({"grad/" + name, parameter.grad()});
  write_safetensors(options.out, results);
}

template <class T>
CLI::CheckedTransformer words(std::map<std::string, T> values) {
  return CLI::CheckedTransformer(std::move(values));
}

}  // namespace
}  // namespace kindling

int main(int argc, char** argv) {
  using namespace kindling;
  Options options;
  CLI::App app("Writes logits, loss and gradients of a model for given weights, images and labels");
  app.add_option("--model", options.model)->required()->check(CLI::IsMember(model_names()));
  app.add_option("--bypass", options.details.bypass)
      ->transform(words<Bypass>({{"none", Bypass::none}, {"simple", Bypass::simple}, {"complex", Bypass::complex}}));
  app.add_option("--form", options.details.form)
      ->transform(words<Form>({{"torchvision", Form::torchvision}, {"caffe", Form::caffe}}));
  app.add_option("--norm", options.details.norm)
      ->transform(words<Norm>({{"none", Norm::none}, {"batch", Norm::batch}}));
  app.add_option("--classes", options.details.classes)->required();
  app.add_option("--size", options.details.size, "pixels")->required();
  app.add_option("--dtype", options.dtype)->transform(words<DType>({{"f32", DType::f32}, {"f64", DType::f64}}));
  app.add_option("IN", options.in, "safetensors file: weights, input, labels")->required();
  app.add_option("OUT", options.out, "safetensors file: logits, loss, grad/NAME")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    dump(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kindling_dump_gradients: %s\n", error.what());
    return 1;
  }
  return 0;
}
