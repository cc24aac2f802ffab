// Names of layers are contracts with torchvision and Caffe.
#include <kindling/interop/names.h>

#include <catch2/catch.hpp>
#include <set>

#include <kindling/io/weights.h>
#include <kindling/models/registry.h>

using namespace kindling;

TEST_CASE("the names of torchvision's and of Caffe's layers") {
  const auto torch = [](const char* model, const char* name) { return foreign_name(model, name, Naming::torchvision); };
  const auto caffe = [](const char* model, const char* name) { return foreign_name(model, name, Naming::caffe); };
  CHECK(torch("squeezenet1_0", "conv1/weight") == "features.0.weight");
  CHECK(torch("squeezenet1_0", "fire4/squeeze/bias") == "features.5.squeeze.bias");
  CHECK(torch("squeezenet1_0", "fire9/expand3x3/weight") == "features.12.expand3x3.weight");
  CHECK(torch("squeezenet1_1", "fire4/squeeze/bias") == "features.6.squeeze.bias");
  CHECK(torch("squeezenet1_1", "fire8/expand1x1/bias") == "features.11.expand1x1.bias");
  CHECK(torch("squeezenet1_1", "conv10/weight") == "classifier.1.weight");
  CHECK(torch("squeezenet_cifar", "fire2/squeeze_bn/running_var") == "features.3.squeeze_bn.running_var");
  CHECK(torch("squeezenet1_1", "conv1_bn/weight") == "features.0_bn.weight");
  CHECK(torch("squeezenet1_1", "fire2/bypass/weight") == "features.3.bypass.weight");
  CHECK(torch("alexnet", "conv5/weight") == "features.10.weight");
  CHECK(torch("alexnet", "fc7/bias") == "classifier.4.bias");
  CHECK(torch("my_net", "block/conv/weight") == "block.conv.weight");

  CHECK(caffe("squeezenet1_0", "fire2/squeeze/weight") == "fire2/squeeze1x1/weight");
  CHECK(caffe("squeezenet1_0", "fire2/expand3x3/bias") == "fire2/expand3x3/bias");
  CHECK(caffe("squeezenet1_0", "fire2/squeeze_bn/running_mean") == "fire2/squeeze1x1/bn/mean");
  CHECK(caffe("squeezenet1_0", "conv1_bn/running_var") == "conv1/bn/variance");
  CHECK(caffe("squeezenet1_0", "conv1_bn/bias") == "conv1/scale/bias");
  CHECK(caffe("lenet", "fc1/weight") == "ip1/weight");
  CHECK(caffe("alexnet", "fc8/weight") == "fc8/weight");
  CHECK(foreign_name("squeezenet1_1", "fire2/squeeze/weight", Naming::kindling) == "fire2/squeeze/weight");
}

TEST_CASE("every tensor of every model has a name of its own in every framework") {
  for (const std::string& model : model_names()) {
    const bool squeezenet = model.starts_with("squeezenet");
    ModelOptions options{.classes = 3};
    if (squeezenet) options = {.classes = 3, .bypass = Bypass::complex, .norm = Norm::batch};
    Rng rng(0);
    const std::unique_ptr<Module> made = make_model(model, options, rng);
    for (const Naming naming : {Naming::torchvision, Naming::caffe}) {
      std::set<std::string> names;
      for (const NamedTensor& tensor : named_tensors(*made)) names.insert(foreign_name(model, tensor.name, naming));
      CHECK(names.size() == named_tensors(*made).size());
    }
    std::set<std::string> paths;  // of the layers that layer_paths() should know
    for (const NamedTensor& tensor : named_tensors(*made))
      if (const std::string layer = tensor.name.substr(0, tensor.name.rfind('/')); !layer.ends_with("_bn"))
        paths.insert(layer);
    for (const std::string& layer : layer_paths(model))
      if (!layer.ends_with("/bypass")) CHECK(paths.contains(layer));
    for (const std::string& path : paths) {
      const std::vector<std::string> known = layer_paths(model);
      CHECK(std::find(known.begin(), known.end(), path) != known.end());
    }
  }
}
