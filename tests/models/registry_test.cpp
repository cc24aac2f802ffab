// Models by name.
#include <kindling/models/registry.h>

#include <catch2/catch.hpp>

using namespace kindling;

TEST_CASE("Every model can be made by name and takes an image of its own and of its smallest size", "[model]") {
  CHECK(model_names() == std::vector<std::string>{"lenet", "alexnet", "alexnet_cifar", "squeezenet1_0", "squeezenet1_1",
                                                  "squeezenet_cifar"});
  for (const std::string& name : model_names()) {
    if (name.starts_with("alexnet")) continue;  // tens of millions of weights to draw: alexnet_test.cpp makes them
    CAPTURE(name);
    Rng rng(1);
    const ModelInfo info = model_info(name);
    const auto model = make_model(name, {}, rng);
    CHECK((*model)(Tensor::zeros({1, info.size, info.size, info.channels})).shape() == Shape{1, info.classes});
    const auto small = make_model(name, {.classes = 3, .channels = 2, .size = info.smallest_size}, rng);
    CHECK((*small)(Tensor::zeros({1, info.smallest_size, info.smallest_size, 2})).shape() == Shape{1, 3});
  }
}

TEST_CASE("Sizes of the forms", "[model]") {
  CHECK(model_info("squeezenet1_0", Form::torchvision).size == 224);
  CHECK(model_info("squeezenet1_0", Form::caffe).size == 227);
  CHECK(model_info("alexnet", Form::caffe).size == 227);
  CHECK(model_info("alexnet", Form::caffe).smallest_size == 227);
  CHECK(model_info("squeezenet_cifar", Form::caffe).size == 32);
  CHECK(model_info("squeezenet_cifar", {.metaparameters = {.pools = {1, 4}}}).smallest_size == 4);
  CHECK(model_info("squeezenet1_0", {.form = Form::caffe}).size == 227);
  for (const std::string name : {"squeezenet1_0", "squeezenet1_1", "squeezenet_cifar"})
    CHECK(model_info(name).smallest_size == smallest_image(name));
}

TEST_CASE("A registered model has the options that it was asked for", "[model]") {
  Rng rng(1);
  CHECK(make_model("squeezenet1_0", {.bypass = Bypass::complex}, rng)->parameter_count() == 1'589'672);
  CHECK(make_model("squeezenet_cifar", {.norm = Norm::batch}, rng)->named_buffers().size() == 50);
  CHECK(make_model("squeezenet1_0", {.metaparameters = {.sr = 0.75}}, rng)->parameter_count() == 4'841'704);
  // Without dropout, training computes what evaluation does.
  const auto sure = make_model("squeezenet_cifar", {.dropout = 0.0}, rng);
  const Tensor image = Tensor::normal({1, 32, 32, 3}, 0.0, 1.0, rng);
  const Tensor trained = (*sure)(image).value();
  sure->eval();
  CHECK(bitwise_equal(trained, (*sure)(image).value()));
}

TEST_CASE("Unknown models and options that a model does not have are refused", "[model]") {
  Rng rng(1);
  const auto make = [&](const std::string& name, const ModelOptions& options = {}) { make_model(name, options, rng); };
  const std::string unknown =
      "no model 'vgg'; there are: lenet alexnet alexnet_cifar squeezenet1_0 squeezenet1_1 squeezenet_cifar";
  CHECK_THROWS_WITH(make("vgg"), unknown);
  CHECK_THROWS_WITH(model_info("vgg"), unknown);
  CHECK_THROWS_WITH(make("lenet", {.bypass = Bypass::simple}), "model 'lenet' has no bypass");
  CHECK_THROWS_WITH(make("alexnet", {.norm = Norm::batch}), "model 'alexnet' has no batch normalisation");
  CHECK_THROWS_WITH(make("lenet", {.dropout = 0.1}), "model 'lenet' has no dropout");
  for (const SqueezeNetMetaparameters& m : {SqueezeNetMetaparameters{.base_e = 64}, {.sr = 0.5}, {.pools = {1}}})
    CHECK_THROWS_WITH(make("lenet", {.metaparameters = m}),
                      "model 'lenet' is no SqueezeNet, which squeeze_ratio, pct3x3, base_e, incr_e, freq and pools "
                      "are for");
  CHECK_THROWS_WITH(
      make("alexnet", {.size = 64, .form = Form::caffe}),
      "model 'alexnet' takes images of 227 pixels and 3 channels in this form, not 64 pixels and 3 channels");
}
