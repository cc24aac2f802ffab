// Which model a file is for.
#include <kindling/interop/recognise.h>

#include <catch2/catch.hpp>

#include <kindling/interop/weights.h>
#include <kindling/models/definition.h>
#include <kindling/nn/sequential.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

using Open = std::map<std::string, std::vector<std::string>>;

/// The model's tensors as a file that says nothing of itself.
TensorFile file_of(Module& model, Naming naming) {
  TensorFile file{"file", {}, {}};
  for (const NamedTensor& tensor : foreign_tensors(model, model.definition().model, naming))
    file.tensors.push_back({tensor.name, "F32", tensor.value});
  return file;
}

std::unique_ptr<Module> made(const std::string& model, const ModelOptions& options = {}, uint64_t seed = 1) {
  Rng rng(seed);
  return make_model(model, options, rng);
}

bool same_tensors(Module& a, Module& b) {
  const std::vector<NamedTensor> x = named_tensors(a), y = named_tensors(b);
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const NamedTensor& p, const NamedTensor& q) {
    return p.name == q.name && bitwise_equal(p.value, q.value);
  });
}

}  // namespace

TEST_CASE("models are recognised by the names and shapes of their tensors, in every naming") {
  struct Case {
    std::string model;
    ModelOptions options;
  };
  for (const auto& [model, options] :
       {Case{"squeezenet1_0", {.classes = 7}}, Case{"squeezenet1_1", {.classes = 5, .bypass = Bypass::complex}},
        Case{"squeezenet1_1", {.classes = 5, .channels = 1, .norm = Norm::batch}}, Case{"lenet", {.classes = 10}},
        Case{"lenet", {.channels = 3, .size = 32}}}) {
    for (const Naming naming : {Naming::kindling, Naming::torchvision, Naming::caffe}) {
      if (model == "lenet" && naming == Naming::torchvision) continue;  // its names are Kindling's with dots
      CAPTURE(model, naming_words()[static_cast<size_t>(naming)]);
      const std::unique_ptr<Module> net = made(model, options);
      const std::optional<Recognised> known = recognise(file_of(*net, naming));
      REQUIRE(known.has_value());
      CHECK(known->by_names);
      CHECK(known->naming == naming);
      const ModelOptions found = options_of(known->description.model);
      CHECK(known->description.model.model == model);
      CHECK(found.classes == options_of(net->definition()).classes);
      CHECK(found.channels == options_of(net->definition()).channels);
      CHECK(found.size == options_of(net->definition()).size);
      CHECK(found.bypass == options.bypass);
      CHECK(found.norm == options.norm);
      CHECK((found.form == Form::caffe) == (naming == Naming::caffe));
    }
  }
}

TEST_CASE("what shapes leave open is named, unless the names are those of a published network") {
  const auto open = [](const std::string& model, const ModelOptions& options, Naming naming) {
    return recognise(file_of(*made(model, options), naming))->open;
  };
  const std::vector<std::string> bypass{"none", "simple"};
  CHECK(open("squeezenet1_1", {.classes = 2}, Naming::kindling) ==
        Open{{"bypass", bypass}, {"model", {"squeezenet1_1", "squeezenet_cifar"}}});
  CHECK(open("squeezenet1_1", {.classes = 2, .bypass = Bypass::complex}, Naming::kindling) ==
        Open{{"model", {"squeezenet1_1", "squeezenet_cifar"}}});
  CHECK(open("squeezenet1_0", {.classes = 2}, Naming::kindling) ==
        Open{{"bypass", bypass}, {"form", {"torchvision", "caffe"}}});
  CHECK(open("squeezenet1_0", {.classes = 2}, Naming::torchvision).empty());
  CHECK(open("squeezenet1_1", {.classes = 2}, Naming::caffe).empty());
}

TEST_CASE("pixels are those of the framework whose names a file has") {
  const auto pixels = [](const std::string& model, Naming naming, int64_t channels = 0) {
    return recognise(file_of(*made(model, {.classes = 2, .channels = channels}), naming))->description.preprocessing;
  };
  CHECK(pixels("squeezenet1_1", Naming::torchvision) == data::torchvision_preprocessing());
  CHECK(pixels("squeezenet1_1", Naming::caffe) == data::caffe_preprocessing());
  CHECK_FALSE(pixels("squeezenet1_1", Naming::torchvision, 1).has_value());
  CHECK_FALSE(pixels("lenet", Naming::caffe).has_value());
}

TEST_CASE("a last layer of another name is found") {
  const std::unique_ptr<Module> net = made("squeezenet1_0", {.classes = 3, .form = Form::caffe});
  TensorFile file = file_of(*net, Naming::caffe);
  for (StoredTensor& tensor : file.tensors)
    if (tensor.name.starts_with("conv10/")) tensor.name = "my_head" + tensor.name.substr(6);
  const std::optional<Recognised> known = recognise(file);
  REQUIRE(known.has_value());
  CHECK(options_of(known->description.model).classes == 3);
  const std::unique_ptr<Module> other = made("squeezenet1_0", {.classes = 3, .form = Form::caffe}, 2);
  CHECK(load(*other, translated(file, *other, "squeezenet1_0", Naming::caffe)).empty());
  CHECK(same_tensors(*other, *net));
}

TEST_CASE("other networks are no model that is known") {
  Rng rng(1);
  Sequential net;
  net.add("conv1", Conv2d(3, 20, {.kernel = 5}, rng));
  TensorFile file{"x", {}, {}};
  for (const NamedTensor& tensor : named_tensors(net)) file.tensors.push_back({tensor.name, "F32", tensor.value});
  CHECK_FALSE(recognise(file).has_value());
  CHECK_FALSE(recognise({"x", {}, {}}).has_value());
  file.tensors.push_back({"fire2/squeeze/weight", "F32", Tensor::scalar(1)});
  CHECK_FALSE(recognise(file).has_value());
}

TEST_CASE("tensors come back from every naming bit for bit") {
  for (const std::string& model : model_names()) {
    if (model.starts_with("alexnet")) continue;  // below: it takes a second
    for (const bool batch : {false, true}) {
      if (batch && model == "lenet") continue;
      const ModelOptions options{
          .classes = 4, .bypass = batch ? Bypass::complex : Bypass::none, .norm = batch ? Norm::batch : Norm::none};
      const std::unique_ptr<Module> net = made(model, options), back = made(model, options, 2);
      for (const Naming naming : {Naming::torchvision, Naming::caffe}) {
        const std::unique_ptr<Module> other = made(model, options, 2);
        CHECK(load(*other, translated(file_of(*net, naming), *other, model, naming)).empty());
        CHECK(same_tensors(*other, *net));
      }
    }
  }
}

TEST_CASE("weights behind a Flatten are reordered: channels come first elsewhere, last here", "[slow]") {
  // y = W x over a map [2,2,3] of which pixel (h, w) of channel c is number c*4 + h*2 + w there, (h*2 + w)*3 + c here.
  for (const char* form : {"torchvision", "caffe"}) {
    ModelOptions options{.classes = 5};
    if (std::string(form) == "caffe") options.form = Form::caffe;
    const std::unique_ptr<Module> net = made("alexnet", options);
    const Naming naming = options.form == Form::caffe ? Naming::caffe : Naming::torchvision;
    const TensorFile file = file_of(*net, naming);
    const std::optional<Recognised> known = recognise(file);
    REQUIRE(known.has_value());
    CHECK(known->naming == naming);
    CHECK(options_of(known->description.model).form == options.form);
    CHECK(recognise(file_of(*net, Naming::kindling))->naming == Naming::kindling);
    Tensor here, there;
    for (const NamedTensor& tensor : named_tensors(*net))
      if (tensor.name == "fc6/weight") here = tensor.value;
    for (const StoredTensor& tensor : file.tensors)
      if (tensor.name == foreign_name("alexnet", "fc6/weight", naming)) there = tensor.value();
    const int64_t h = 2, w = 5, c = 77, o = 9;
    CHECK(here.data<float>()[o * 9216 + (h * 6 + w) * 256 + c] == there.data<float>()[o * 9216 + c * 36 + h * 6 + w]);
    const std::unique_ptr<Module> other = made("alexnet", options, 2);
    CHECK(load(*other, translated(file, *other, "alexnet", naming)).empty());
    CHECK(same_tensors(*other, *net));
  }
}

TEST_CASE("alexnet_cifar is known by its first layer, and comes back from every naming", "[slow]") {
  const std::unique_ptr<Module> net = made("alexnet_cifar", {.classes = 3}),
                                other = made("alexnet_cifar", {.classes = 3}, 2);
  for (const Naming naming : {Naming::kindling, Naming::torchvision, Naming::caffe}) {
    const TensorFile file = file_of(*net, naming);
    const std::optional<Recognised> known = recognise(file);
    REQUIRE(known.has_value());
    CHECK(known->naming == naming);
    CHECK(known->open.empty());
    CHECK(known->description.model.model == "alexnet_cifar");
    CHECK(options_of(known->description.model).classes == 3);
    for (Variable parameter : other->parameters()) parameter.value().fill_(0);
    CHECK(load(*other, translated(file, *other, "alexnet_cifar", naming)).empty());
    CHECK(same_tensors(*other, *net));
  }
}

TEST_CASE("Caffe's running statistics are sums, to be divided by their count") {
  const std::unique_ptr<Module> net = made("squeezenet1_1", {.classes = 2, .norm = Norm::batch});
  TensorFile file = file_of(*net, Naming::caffe);
  for (StoredTensor& tensor : file.tensors) {
    if (tensor.name == "conv1/bn/count") tensor.value = [] { return Tensor::full({1}, 4.0); };
    if (tensor.name == "conv1/bn/variance") tensor.value = [] { return Tensor::full({64}, 2.0); };
  }
  CHECK(load(*net, translated(file, *net, "squeezenet1_1", Naming::caffe)).empty());
  for (const NamedTensor& tensor : named_tensors(*net))
    if (tensor.name == "conv1_bn/running_var") CHECK(tensor.value.to_vector<float>() == std::vector<float>(64, 0.5F));
}

TEST_CASE("integers in the place of Caffe's running statistics stay as they are") {
  const std::unique_ptr<Module> net = made("squeezenet1_1", {.classes = 2, .norm = Norm::batch});
  TensorFile file = file_of(*net, Naming::caffe);
  for (StoredTensor& tensor : file.tensors)
    if (tensor.name == "conv1/bn/variance") tensor = {tensor.name, "I64", Tensor::ones({64}, DType::i64)};
  const TensorFile own = translated(file, *net, "squeezenet1_1", Naming::caffe);
  const auto found = std::find_if(own.tensors.begin(), own.tensors.end(),
                                  [](const StoredTensor& tensor) { return tensor.name == "conv1_bn/running_var"; });
  REQUIRE(found != own.tensors.end());
  CHECK(found->value().to_vector<int64_t>() == std::vector<int64_t>(64, 1));
  CHECK(load(*net, own, {.strict = false}).mistyped.size() == 1);
}

TEST_CASE("a file that says what it is needs no guess") {
  const TemporaryFolder folder;
  const std::unique_ptr<Module> net = made("squeezenet_cifar", {.classes = 3, .bypass = Bypass::simple});
  const data::Preprocessing pixels{.size = 32, .shorter = 40, .mean = {1, 2, 3}, .std = {4, 5, 6}, .bgr = true};
  save(*net, folder / "x.safetensors",
       {.model = net->definition(), .classes = {"a", "b", "c"}, .preprocessing = pixels}, Naming::torchvision);
  const WeightsFile file(folder / "x.safetensors");
  REQUIRE(file.known.has_value());
  CHECK_FALSE(file.known->by_names);
  CHECK(file.known->naming == Naming::torchvision);
  CHECK(file.known->description.model == net->definition());
  CHECK(file.known->description.preprocessing == pixels);
  CHECK(same_tensors(*load_model(file), *net));
}

TEST_CASE("a description that asks for more than its file holds is refused before a model is made") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  for (const auto& [model, option, value] :
       {std::tuple("lenet", "classes", "900000000"), std::tuple("lenet", "channels", "900000000"),
        std::tuple("lenet", "size", "900000000"), std::tuple("lenet", "size", "200"),
        std::tuple("squeezenet1_1", "classes", "40000"), std::tuple("alexnet", "classes", "5000")}) {
    CAPTURE(model, option, value);
    write_safetensors(path, {{"x", Tensor::ones({20})}}, to_metadata({.model = {model, {{option, value}}}}));
    CHECK_THROWS_WITH(WeightsFile(path), Catch::StartsWith(path + ": describes a model of " + value + " ") &&
                                             Catch::EndsWith("but holds only 20 numbers"));
  }
  for (const std::map<std::string, std::string>& wide :
       {std::map<std::string, std::string>{{"base_e", "5000"}},
        {{"incr_e", "900000000"}, {"freq", "0"}},
        {{"base_e", "1400"}, {"squeeze_ratio", "1"}, {"pct3x3", "0.9"}}}) {
    write_safetensors(path, {{"x", Tensor::ones({20})}}, to_metadata({.model = {"squeezenet1_1", wide}}));
    CHECK_THROWS_WITH(WeightsFile(path), Catch::Contains(": describes a model of ") &&
                                             Catch::EndsWith(" filters in fire9, but holds only 20 numbers"));
  }
  // Without its last layer a file is smaller than its model. ImageNet has up to 21,841 classes.
  write_safetensors(path, {{"x", Tensor::ones({20})}},
                    to_metadata({.model = {"squeezenet1_1", {{"classes", "21841"}}}}));
  CHECK(WeightsFile(path).known.has_value());
}

TEST_CASE("shapes that ask for more than their file holds are refused before a model is made") {
  const auto lenet = [](const Shape& fc1, const Shape& fc2) {
    return TensorFile{"file",
                      {{"conv1/weight", "F32", Tensor::zeros({20, 5, 5, 1})},
                       {"conv2/weight", "F32", Tensor::zeros({1, 1, 1, 1})},
                       {"fc1/weight", "F32", Tensor::zeros(fc1)},
                       {"fc2/weight", "F32", Tensor::zeros(fc2)}},
                      {}};
  };
  CHECK(recognise(lenet({1, 800}, {10, 1})).has_value());
  CHECK_THROWS_WITH(recognise(lenet({0, int64_t{1} << 50}, {10, 1})),
                    Catch::Matches("file: describes a model of [0-9]+ pixels, but holds only 511 numbers"));
  CHECK_THROWS_WITH(recognise(lenet({1, 800}, {100000, 1})),
                    "file: describes a model of 100000 classes, but holds only 101301 numbers");
}

TEST_CASE("a model that may be one of several is not made") {
  const TemporaryFolder folder;
  const std::unique_ptr<Module> net = made("squeezenet1_1", {.classes = 3});
  write_safetensors(folder / "x", named_tensors(*net));
  CHECK_THROWS_WITH(load_model(folder / "x"),
                    (folder / "x") +
                        ": its tensors fit several models (bypass none or simple, model squeezenet1_1 or "
                        "squeezenet_cifar): make the right one yourself and load() it");
  const std::unique_ptr<Module> cifar = made("squeezenet_cifar", {.classes = 3}, 2);
  load(*cifar, folder / "x");
  CHECK(same_tensors(*cifar, *net));
}
