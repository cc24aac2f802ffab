// What models say of themselves.
#include <kindling/models/definition.h>

#include <catch2/catch.hpp>

#include <kindling/models/models.h>
#include <kindling/nn/fn.h>

using namespace kindling;

namespace {

std::vector<std::pair<std::string, Shape>> shapes_of(Module& model) {
  std::vector<std::pair<std::string, Shape>> shapes;
  for (const NamedParameter& parameter : model.named_parameters())
    shapes.emplace_back(parameter.name, parameter.value.shape());
  return shapes;
}

}  // namespace

TEST_CASE("A model can be made again from what it says of itself", "[model]") {
  Rng rng(1);
  for (const auto& [name, options] : std::vector<std::pair<std::string, ModelOptions>>{
           {"lenet", {.classes = 3, .channels = 2, .size = 20}},
           {"squeezenet1_0", {.classes = 4, .form = Form::caffe}},
           {"squeezenet1_1", {.bypass = Bypass::complex, .dropout = 0.1}},
           {"squeezenet_cifar", {.channels = 1, .bypass = Bypass::simple, .norm = Norm::batch}},
           {"squeezenet1_0", {.classes = 2, .metaparameters = {.pools = {1, 4, 6}}}},
           {"squeezenet_cifar",
            {.bypass = Bypass::complex,
            .metaparameters = {.base_e = 20, .incr_e = 4, .freq = 3, .sr = 0.3, .pct3x3 = 0.1, .pools = {1, 6}}}}}) {
    CAPTURE(name);
    const auto model = make_model(name, options, rng);
    const Definition& definition = model->definition();
    CHECK(definition.model == name);
    const ModelOptions said = options_of(definition);
    CHECK(said.classes == (options.classes > 0 ? options.classes : model_info(name).classes));
    CHECK(said.bypass == options.bypass);
    CHECK(said.form == options.form);
    CHECK(said.norm == options.norm);
    CHECK(said.metaparameters == options.metaparameters);
    if (name != "lenet") CHECK(said.dropout == options.dropout.value_or(0.5));
    const auto again = make_model(definition, rng);
    CHECK(shapes_of(*again) == shapes_of(*model));
    CHECK(again->definition() == definition);
  }
}

TEST_CASE("Models made by their own functions say what they are", "[model]") {
  Rng rng(1);
  const SqueezeNet net = squeezenet1_1({.classes = 10, .bypass = Bypass::simple, .dropout = 1.0 / 3.0}, rng);
  CHECK(net.definition() == Definition{"squeezenet1_1",
                                       {{"bypass", "simple"},
                                        {"channels", "3"},
                                        {"classes", "10"},
                                        {"dropout", "0.3333333333333333"},
                                        {"form", "torchvision"},
                                        {"norm", "none"}}});
  CHECK(options_of(net.definition()).dropout == 1.0 / 3.0);
  const SqueezeNet other = squeezenet(
      "squeezenet1_1", {.base_e = 64, .incr_e = 32, .freq = 3, .sr = 0.1, .pct3x3 = 0.25, .pools = {1, 4}}, {}, rng);
  CHECK(other.definition() == Definition{"squeezenet1_1",
                                         {{"base_e", "64"},
                                          {"bypass", "none"},
                                          {"channels", "3"},
                                          {"classes", "1000"},
                                          {"dropout", "0.5"},
                                          {"form", "torchvision"},
                                          {"freq", "3"},
                                          {"incr_e", "32"},
                                          {"norm", "none"},
                                          {"pct3x3", "0.25"},
                                          {"pools", "1,4"},
                                          {"squeeze_ratio", "0.1"}}});
  // What the published network has is not said.
  CHECK(squeezenet("squeezenet1_1", {.pools = {1, 3, 5}}, {.classes = 10, .bypass = Bypass::simple, .dropout = 1.0 / 3},
                   rng)
            .definition() == net.definition());
}

TEST_CASE("A Sequential that gets another layer is no longer what it was", "[model]") {
  Rng rng(1);
  Sequential net = lenet({}, rng);
  CHECK(net.definition().model == "lenet");
  net.add("more", ReLU());
  CHECK(net.definition() == Definition{});
}

TEST_CASE("Options that make no sense are refused by name", "[model]") {
  const auto read = [](const std::string& name, const std::string& value) {
    return options_of({.model = "m", .options = {{name, value}}});
  };
  CHECK_THROWS_WITH(read("bypass", "double"), "model 'm' cannot be made with bypass \"double\"");
  CHECK_THROWS_WITH(read("classes", "-1"), "model 'm' cannot be made with classes \"-1\"");
  CHECK_THROWS_WITH(read("classes", "1x"), "model 'm' cannot be made with classes \"1x\"");
  CHECK_THROWS_WITH(read("dropout", "nan"), "model 'm' cannot be made with dropout \"nan\"");
  CHECK_THROWS_WITH(read("squeeze_ratio", "much"), "model 'm' cannot be made with squeeze_ratio \"much\"");
  CHECK_THROWS_WITH(read("pools", "1,x"), "model 'm' cannot be made with pools \"x\"");
  CHECK_THROWS_WITH(read("colour", "red"), "model 'm' cannot be made with colour \"red\"");
}
