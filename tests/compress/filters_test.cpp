#include <kindling/compress/filters.h>

#include <catch2/catch.hpp>
#include <set>

#include <kindling/compress/factor.h>
#include <kindling/interop/weights.h>
#include <kindling/models/definition.h>
#include <kindling/models/filters.h>
#include <kindling/models/registry.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/sequential.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;
using Catch::Matchers::Contains;

namespace {

Tensor run(Module& net, const Tensor& x) {
  const NoGrad no_grad;
  return net(x).value();
}

/// Sets every other filter of what may be removed to 0, with what is added to it, and in a
/// normalisation what is made of it.
void silence_every_other(Module& net) {
  std::set<std::string> removable;
  for (const FilterLayer& layer : filter_layers(net))
    if (layer.removable) removable.insert(layer.path);
  for (auto& [name, value] : net.named_parameters()) {
    std::string path = name.substr(0, name.rfind('/'));
    if (path.ends_with("_bn")) path.resize(path.size() - 3);
    Variable parameter = value;
    for (int64_t i = 1; removable.contains(path) && i < value.size(0); i += 2) parameter.value().select(0, i).fill_(0);
  }
}

}  // namespace

TEST_CASE("prune_filters: filters that give nothing are taken out, and the outputs stay", "[model]") {
  struct Case {
    std::string model;
    ModelOptions options;
    Shape input;
  };
  const auto [name, options, input] =
      GENERATE(Case{"lenet", {.classes = 5}, {2, 28, 28, 1}}, Case{"squeezenet_cifar", {}, {2, 32, 32, 3}},
               Case{"squeezenet_cifar", {.bypass = Bypass::simple}, {2, 32, 32, 3}},
               Case{"squeezenet_cifar", {.bypass = Bypass::complex, .norm = Norm::batch}, {2, 32, 32, 3}});
  CAPTURE(name, static_cast<int>(options.bypass), static_cast<int>(options.norm));
  Rng rng(1);
  const auto net = make_model(name, options, rng);
  silence_every_other(*net);
  net->eval();
  const Tensor x = Tensor::normal(input, 0, 1, rng), before = run(*net, x);
  const int64_t parameters = net->parameter_count();
  const auto rows = prune_filters(*net, {.density = 0.5});
  CHECK(relative_distance(run(*net, x), before) < 1e-5);  // sums of fewer terms, in another order
  CHECK(net->parameter_count() < parameters * 2 / 3);
  for (const FilteredLayer& row : rows)
    CHECK(row.filters == (row.removable ? (row.filters_before + 1) / 2 : row.filters_before));

  const TemporaryFolder folder;
  save(*net, folder / "net.safetensors");
  const auto loaded = load_model(folder / "net.safetensors");
  CHECK(bitwise_equal(run(*loaded, x), run(*net, x)));
  CHECK(loaded->definition() == net->definition());
}

TEST_CASE("prune_filters: the largest sums of magnitudes stay, of equal ones the first") {
  Rng rng(1);
  Sequential net;
  Linear& a = net.add("a", Linear(2, 4, rng));
  Linear& b = net.add("b", Linear(4, 1, rng));
  a.weight.value().copy_(Tensor::from(std::vector<float>{1, 1, 5, -5, 1, -1, 0, 3}, {4, 2}));
  a.bias.value().copy_(Tensor::from(std::vector<float>{10, 11, 12, 13}));
  b.weight.value().copy_(Tensor::from(std::vector<float>{20, 21, 22, 23}, {1, 4}));
  const auto rows = prune_filters(net, {.density = 0.7});
  CHECK(rows[0].filters == 3);
  CHECK(rows[1].filters == 1);
  CHECK_FALSE(rows[1].removable);
  CHECK(a.weight.value().to_vector<float>() == std::vector<float>{1, 1, 5, -5, 0, 3});
  CHECK(a.bias.value().to_vector<float>() == std::vector<float>{10, 11, 13});
  CHECK(b.weight.value().to_vector<float>() == std::vector<float>{20, 21, 23});
  CHECK(prune_filters(net, {.density = 0})[0].filters == 1);
}

TEST_CASE("prune_filters: what a bypass adds stays whole", "[model]") {
  Rng rng(1);
  const auto net = make_model("squeezenet_cifar", {.bypass = Bypass::simple}, rng);
  std::set<std::string> whole;
  for (const FilterLayer& layer : filter_layers(*net))
    if (!layer.removable) whole.insert(layer.path);
  std::set<std::string> expected{"conv10"};
  for (const std::string fire : {"fire2", "fire3", "fire4", "fire5", "fire6", "fire7", "fire8", "fire9"})
    for (const std::string expand : {"/expand1x1", "/expand3x3"}) expected.insert(fire + expand);
  CHECK(whole == expected);
}

TEST_CASE("prune_filters: a narrower network trains, and narrows again") {
  Sequential net = small_net(1, /*batch_norm=*/true);
  prune_filters(net, {.density = 0.5});
  Trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9}), {.batch_size = 8})
      .fit(quarters(80, 1), nullptr, {.epochs = 4});
  CHECK(*evaluate(net, quarters(80, 2)).top1 > 60);
  const auto rows = prune_filters(net, {.layers = {{"conv2", 0.5}}});
  CHECK(rows[0].filters == 3);
  CHECK(rows[1].filters == 2);
}

TEST_CASE("The definition of a narrower model says how many filters are left", "[model]") {
  Rng rng(1);
  const auto net = make_model("lenet", {}, rng);
  prune_filters(*net, {.layers = {{"conv1", 0.5}}});
  prune_filters(*net, {.layers = {{"conv1", 0.5}, {"fc1", 0.1}}});
  CHECK(net->definition().options.at("filters") == "conv1:5 fc1:50");
  Definition wrong = net->definition();
  const auto error_of = [&](const std::string& filters) {
    wrong.options["filters"] = filters;
    try {
      return std::string(make_model(wrong, rng)->kind());
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CHECK(error_of("conv1:21") == "filters: conv1 has 20, not 21");
  CHECK(error_of("conv3:2") == "filters: there is no layer conv3");
  CHECK_THAT(error_of("conv1:0"), Contains("\"conv1:0\" is no layer with its number of filters"));
  CHECK_THAT(error_of(":"), Contains("is no layer with its number"));
  CHECK_THAT(error_of("fc2:3"), Contains("all outputs of fc2 are needed"));
}

TEST_CASE("prune_filters: errors, before anything changes") {
  Rng rng(1);
  Sequential net;
  net.add("a", Linear(3, 3, rng));
  net.add("b", Linear(3, 3, rng));
  CHECK_THROWS_WITH(prune_filters(net, {.layers = {{"b", 0.5}}}), Contains("\"b\" fits only layers whose outputs"));
  CHECK_THROWS_WITH(prune_filters(net, {.density = 2}), Contains("density 2 of a"));
  CHECK_THROWS_WITH(keep_filters(net, {{"a", {2, 1}}}), Contains("a has filters 0 to 2"));
  CHECK_THROWS_WITH(keep_filters(net, {{"c", {1}}}), Contains("there are: a b"));
  CHECK(net.parameter_count() == 24);
  Sequential grouped;
  grouped.add("c", Conv2d(4, 4, {.kernel = 1, .groups = 2}, rng));
  CHECK_THROWS_WITH(prune_filters(grouped, {.density = 0.5}), Contains("c is a convolution in groups"));
}

TEST_CASE("Masks and codes are cut with their filters") {
  Sequential net = small_net(1);
  prune(net, {.density = 0.5});
  prune_filters(net, {.density = 0.5});
  for (const WeightLayer& layer : checked_weight_layers(net, "test")) {
    const Tensor codes = layer.weight->constraint().codes;
    REQUIRE(codes.shape() == layer.weight->shape());
    const auto mask = codes.to_vector<double>(), values = layer.weight->value().to_vector<double>();
    for (size_t i = 0; i < mask.size(); ++i) CHECK((mask[i] == 0) == (values[i] == 0));
  }
}

TEST_CASE("Filters and factors go together, in either order, and a file has both", "[model]") {
  const bool factored_first = GENERATE(false, true);
  CAPTURE(factored_first);
  Rng rng(1);
  const auto net = make_model("squeezenet_cifar", {.classes = 4}, rng);
  const FactorOptions factoring{.layers = "expand3x3", .form = Factoring::output_channels, .rank = 12};
  if (factored_first) factor(*net, factoring);
  prune_filters(*net, {.density = 0.75});
  if (!factored_first) factor(*net, factoring);
  const TemporaryFolder folder;
  save(*net, folder / "net.pth");
  const auto loaded = load_model(folder / "net.pth");
  net->eval();
  const Tensor x = Tensor::normal({1, 32, 32, 3}, 0, 1, rng);
  CHECK(bitwise_equal(run(*net, x), run(*loaded, x)));
}
