// The facts of the SqueezeNet family: counts, Table 1, forms, bypasses, metaparameters.
#include <kindling/models/squeezenet.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <catch2/catch.hpp>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/reduce.h>
#include <kindling/autograd/ops/softmax.h>
#include <kindling/interop/weights.h>
#include <kindling/nn/observer.h>
#include <kindling/nn/replace.h>
#include <kindling/nn/sequential.h>
#include <kindling/nn/summary.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/index.h>
#include <kindling/tensor/reduce.h>
#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;

namespace {

using Make = SqueezeNet (*)(const SqueezeNetOptions&, Rng&);

SqueezeNet make(Make model, const SqueezeNetOptions& options = {}) {
  Rng rng(42);
  return model(options, rng);
}

int64_t count(Make model, const SqueezeNetOptions& options = {}) { return make(model, options).parameter_count(); }

Variable parameter(Module& module, const std::string& name) {
  for (NamedParameter& entry : module.named_parameters())
    if (entry.name == name) return entry.value;
  FAIL("no parameter " << name);
  return {};
}

struct Row {
  std::string name;
  Shape shape;
  int64_t parameters;
};
/// Rows of the summary at depth 1 against a table.
void check_rows(SqueezeNet& net, int64_t size, const std::vector<Row>& table) {
  const Summary summary = summarize(net, {1, size, size, 3}, 1);
  REQUIRE(summary.layers.size() == table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    CAPTURE(table[i].name);
    CHECK(summary.layers[i].name == table[i].name);
    CHECK(summary.layers[i].output_shape == table[i].shape);
    CHECK(summary.layers[i].parameters == table[i].parameters);
  }
}

/// Millions, with one digit, as in the sources.
double megamacs(SqueezeNet net, int64_t size) {
  return std::round(static_cast<double>(summarize(net, {1, size, size, 3}).macs) / 1e5) / 10;
}

/// Inputs and outputs of all calls of one forward pass, by path.
struct Call {
  Tensor input, output;
};
std::map<std::string, Call> calls(SqueezeNet& net, const Tensor& image) {
  std::map<std::string, Call> result;
  const CallObserver observer([&](Module&, const std::string& path, const Variable& x, const Variable& y) {
    result[path] = {x.value(), y.value()};
  });
  net(image);
  return result;
}

/// Puts other Variables in the place of a module's parameters.
class Substitution : public Visitor {
 public:
  explicit Substitution(const Variables& parameters) : next_(parameters.begin()) {}
  using Visitor::operator();
  void operator()(std::string_view, Variable& parameter) override {
    if (parameter.defined()) parameter = *next_++;
  }
  void operator()(std::string_view, Tensor&) override {}

 private:
  Variables::const_iterator next_;
};

void replace_parameter(Module& module, const std::string& name, const Variable& value) {
  Variables parameters;
  for (const NamedParameter& entry : module.named_parameters())
    parameters.push_back(entry.name == name ? value : entry.value);
  Substitution substitution(parameters);
  module.visit(substitution);
}

double largest(const Tensor& x) { return max(abs(x)).item(); }

}  // namespace

TEST_CASE("Parameter counts", "[model]") {
  CHECK(count(squeezenet1_0) == 1'248'424);
  CHECK(count(squeezenet1_1) == 1'235'496);
  CHECK(count(squeezenet1_0, {.form = Form::caffe}) == 1'248'424);
  CHECK(count(squeezenet1_1, {.form = Form::caffe}) == 1'235'496);
  CHECK(count(squeezenet1_0, {.bypass = Bypass::simple}) == 1'248'424);
  CHECK(count(squeezenet1_1, {.bypass = Bypass::simple}) == 1'235'496);
  CHECK(count(squeezenet1_0, {.bypass = Bypass::complex}) == 1'589'672);
  CHECK(count(squeezenet1_1, {.bypass = Bypass::complex}) == 1'572'648);
  CHECK(count(squeezenet1_0, {.classes = 10}) == 1'248'424 - 990 * 513);
  CHECK(count(squeezenet_cifar) == 1'235'496 - 990 * 513);
}

TEST_CASE("Table 1: v1.0 layer by layer for an image of 227 pixels", "[model]") {
  SqueezeNet net = make(squeezenet1_0);
  check_rows(net, 227,
             {{"conv1", {1, 111, 111, 96}, 14'208},
              {"maxpool1", {1, 55, 55, 96}, 0},
              {"fire2", {1, 55, 55, 128}, 11'920},
              {"fire3", {1, 55, 55, 128}, 12'432},
              {"fire4", {1, 55, 55, 256}, 45'344},
              {"maxpool4", {1, 27, 27, 256}, 0},
              {"fire5", {1, 27, 27, 256}, 49'440},
              {"fire6", {1, 27, 27, 384}, 104'880},
              {"fire7", {1, 27, 27, 384}, 111'024},
              {"fire8", {1, 27, 27, 512}, 188'992},
              {"maxpool8", {1, 13, 13, 512}, 0},
              {"fire9", {1, 13, 13, 512}, 197'184},
              {"dropout9", {1, 13, 13, 512}, 0},
              {"conv10", {1, 13, 13, 1000}, 513'000},
              {"avgpool10", {1, 1000}, 0}});
}

TEST_CASE("v1.1 layer by layer for an image of 227 pixels", "[model]") {
  SqueezeNet net = make(squeezenet1_1);
  check_rows(net, 227,
             {{"conv1", {1, 113, 113, 64}, 1'792},
              {"maxpool1", {1, 56, 56, 64}, 0},
              {"fire2", {1, 56, 56, 128}, 11'408},
              {"fire3", {1, 56, 56, 128}, 12'432},
              {"maxpool3", {1, 28, 28, 128}, 0},
              {"fire4", {1, 28, 28, 256}, 45'344},
              {"fire5", {1, 28, 28, 256}, 49'440},
              {"maxpool5", {1, 14, 14, 256}, 0},
              {"fire6", {1, 14, 14, 384}, 104'880},
              {"fire7", {1, 14, 14, 384}, 111'024},
              {"fire8", {1, 14, 14, 512}, 188'992},
              {"fire9", {1, 14, 14, 512}, 197'184},
              {"dropout9", {1, 14, 14, 512}, 0},
              {"conv10", {1, 14, 14, 1000}, 513'000},
              {"avgpool10", {1, 1000}, 0}});
}

TEST_CASE("squeezenet_cifar layer by layer: conv1 keeps 32 pixels", "[model]") {
  SqueezeNet net = make(squeezenet_cifar, {.bypass = Bypass::simple});
  check_rows(net, 32,
             {{"conv1", {1, 32, 32, 64}, 1'792},
              {"maxpool1", {1, 16, 16, 64}, 0},
              {"fire2", {1, 16, 16, 128}, 11'408},
              {"fire3", {1, 16, 16, 128}, 12'432},
              {"maxpool3", {1, 8, 8, 128}, 0},
              {"fire4", {1, 8, 8, 256}, 45'344},
              {"fire5", {1, 8, 8, 256}, 49'440},
              {"maxpool5", {1, 4, 4, 256}, 0},
              {"fire6", {1, 4, 4, 384}, 104'880},
              {"fire7", {1, 4, 4, 384}, 111'024},
              {"fire8", {1, 4, 4, 512}, 188'992},
              {"fire9", {1, 4, 4, 512}, 197'184},
              {"dropout9", {1, 4, 4, 512}, 0},
              {"conv10", {1, 4, 4, 10}, 5'130},
              {"avgpool10", {1, 10}, 0}});
}

TEST_CASE("Multiply-accumulates in millions", "[model]") {
  CHECK(megamacs(make(squeezenet1_0, {.form = Form::caffe}), 227) == 861.3);  // conv10 on 15x15 pixels
  CHECK(megamacs(make(squeezenet1_1), 227) == 387.7);
  CHECK(megamacs(make(squeezenet1_0), 224) == 818.9);
  CHECK(megamacs(make(squeezenet1_1), 224) == 349.2);
}

TEST_CASE("A summary goes into Fire modules, and complex bypasses belong to theirs", "[model]") {
  SqueezeNet net = make(squeezenet_cifar, {.bypass = Bypass::complex});
  const Summary summary = summarize(net, {1, 32, 32, 3});
  std::vector<std::string> names;
  for (const LayerSummary& layer : summary.layers) names.push_back(layer.name);
  const std::vector<std::string> first{"conv1",           "maxpool1",     "fire2/squeeze", "fire2/expand1x1",
                                       "fire2/expand3x3", "fire2/bypass", "fire3/squeeze"};
  REQUIRE(names.size() > first.size());
  CHECK(std::equal(first.begin(), first.end(), names.begin()));
  CHECK(summary.layers[4].output_shape == Shape{1, 16, 16, 64});
  CHECK(summarize(net, {1, 32, 32, 3}, 1).layers[2].parameters == 11'408 + 64 * 128 + 128);
  CHECK(summary.parameters == net.parameter_count());
}

TEST_CASE("Parameters are named after the paper's layers", "[model]") {
  SqueezeNet net = make(squeezenet_cifar, {.bypass = Bypass::complex, .norm = Norm::batch});
  std::vector<std::string> names;
  for (const NamedParameter& entry : net.named_parameters()) names.push_back(entry.name);
  const std::vector<std::string> first{"conv1/weight",           "conv1_bn/weight",           "conv1_bn/bias",
                                       "fire2/squeeze/weight",   "fire2/squeeze_bn/weight",   "fire2/squeeze_bn/bias",
                                       "fire2/expand1x1/weight", "fire2/expand1x1_bn/weight", "fire2/expand1x1_bn/bias",
                                       "fire2/expand3x3/weight", "fire2/expand3x3_bn/weight", "fire2/expand3x3_bn/bias",
                                       "fire2/bypass/weight",    "fire2/bypass_bn/weight",    "fire2/bypass_bn/bias",
                                       "fire3/squeeze/weight"};
  REQUIRE(names.size() > first.size());
  CHECK(std::equal(first.begin(), first.end(), names.begin()));
  CHECK(names[names.size() - 2] == "conv10/weight");
  CHECK(names.back() == "conv10/bias");
  CHECK(net.named_buffers()[0].name == "conv1_bn/running_mean");
  // conv1, 8 x 3 in the Fire modules, 4 bypasses; two buffers each
  CHECK(net.named_buffers().size() == 2 * (1 + 24 + 4));

  SqueezeNet plain = make(squeezenet1_0);
  CHECK(parameter(plain, "fire2/expand3x3/bias").shape() == Shape{64});
  CHECK(parameter(plain, "fire9/expand3x3/weight").shape() == Shape{256, 3, 3, 64});
}

TEST_CASE("Fire squeezes, expands twice, joins along the channels and adds its shortcut", "[model]") {
  const Shortcut shortcut = GENERATE(Shortcut::none, Shortcut::identity, Shortcut::conv);
  Rng rng(1);
  Fire fire(7, {.s1x1 = 2, .e1x1 = 3, .e3x3 = 4}, {.shortcut = shortcut}, rng);
  const Tensor x = Tensor::uniform({2, 4, 4, 7}, -1, 1, rng);
  const auto convolved = [&](const std::string& layer, const Tensor& in, int64_t padding = 0) {
    return conv2d(in, parameter(fire, layer + "/weight").value(), parameter(fire, layer + "/bias").value(),
                  {.padding = padding});
  };
  const Tensor s = relu(convolved("squeeze", x));
  const Tensor left = relu(convolved("expand1x1", s)), right = relu(convolved("expand3x3", s, 1));
  Tensor expected = concat(std::vector<Tensor>{left, right}, 3);
  if (shortcut == Shortcut::identity) expected = expected + x;
  if (shortcut == Shortcut::conv) expected = expected + convolved("bypass", x);
  const Tensor y = fire(x).value();
  CHECK(y.shape() == Shape{2, 4, 4, 7});
  CHECK(bitwise_equal(y, expected));
}

TEST_CASE("Fire refuses an identity that does not fit", "[model]") {
  Rng rng(1);
  CHECK_THROWS_WITH(Fire(5, {.s1x1 = 2, .e1x1 = 3, .e3x3 = 4}, {.shortcut = Shortcut::identity}, rng),
                    "fire: the identity does not fit around 5 -> 7 channels");
}

TEST_CASE("Errors name the layer inside the Fire module", "[model]") {
  Rng rng(1);
  Sequential net;
  Fire& fire = net.add("fire4", Fire(5, {.s1x1 = 2, .e1x1 = 3, .e3x3 = 4}, {}, rng));
  replace_parameter(fire, "expand3x3/weight", Tensor::zeros({4, 3, 3, 6}));
  CHECK_THROWS_WITH(
      net(Tensor::zeros({2, 8, 8, 5})),
      "fire4/expand3x3: conv2d: input has 2 channels, weight expects 6: input [2, 8, 8, 2], weight [4, 3, 3, 6]");
}

TEST_CASE("Bypasses go around the right Fire modules and are summed before the pool", "[model]") {
  const Make model = GENERATE(squeezenet1_0, squeezenet1_1);
  const Bypass bypass = GENERATE(Bypass::none, Bypass::simple, Bypass::complex);
  CAPTURE(model == &squeezenet1_0, static_cast<int>(bypass));
  SqueezeNet net = make(model, {.classes = 10, .bypass = bypass});
  net.eval();
  Rng rng(1);
  auto call = calls(net, Tensor::uniform({1, 40, 40, 3}, -1, 1, rng));
  for (int64_t i = 2; i <= 9; ++i) {
    const std::string fire = "fire" + std::to_string(i), pool = "maxpool" + std::to_string(i);
    CAPTURE(fire);
    const bool widens = i % 2 == 0;
    Tensor expected =
        concat(std::vector<Tensor>{call.at(fire + "/expand1x1").output, call.at(fire + "/expand3x3").output}, 3);
    if (bypass != Bypass::none && !widens) expected = expected + call.at(fire).input;
    CHECK(call.contains(fire + "/bypass") == (bypass == Bypass::complex && widens));
    if (call.contains(fire + "/bypass")) {
      CHECK(call.at(fire + "/bypass").input.storage() == call.at(fire).input.storage());
      expected = expected + call.at(fire + "/bypass").output;
      CHECK(max(neg(call.at(fire + "/bypass").output)).item() > 0);  // no ReLU on the way
    }
    const std::string next = call.contains(pool) ? pool : i == 9 ? "dropout9" : "fire" + std::to_string(i + 1);
    CHECK(bitwise_equal(call.at(fire).output, expected));
    CHECK(bitwise_equal(call.at(next).input, expected));
  }
}

TEST_CASE("Caffe's v1.0 pads conv10, whose border counts in the average, and its v1.1 does not", "[model]") {
  const auto conv10_shape = [](Make model, Form form) {
    SqueezeNet net = make(model, {.classes = 10, .form = form});
    return calls(net, Tensor::zeros({1, 227, 227, 3})).at("conv10").output.shape();
  };
  CHECK(conv10_shape(squeezenet1_0, Form::caffe) == Shape{1, 15, 15, 10});
  CHECK(conv10_shape(squeezenet1_0, Form::torchvision) == Shape{1, 13, 13, 10});
  CHECK(conv10_shape(squeezenet1_1, Form::caffe) == Shape{1, 14, 14, 10});
}

TEST_CASE("conv10's map goes through ReLU in v1.0 and v1.1, not in squeezenet_cifar", "[model]") {
  const auto smallest_logit = [](Make model) {
    SqueezeNet net = make(model, {.classes = 50});
    net.eval();
    Rng rng(1);
    return -max(neg(net(Tensor::uniform({2, 40, 40, 3}, -1, 1, rng)).value())).item();
  };
  CHECK(smallest_logit(squeezenet1_0) >= 0);
  CHECK(smallest_logit(squeezenet1_1) >= 0);
  CHECK(smallest_logit(squeezenet_cifar) < 0);
}

TEST_CASE("Initialisers of the two forms", "[model]") {
  const auto check_form = [](Form form, double numerator) {
    SqueezeNet net = make(squeezenet1_0, {.bypass = Bypass::complex, .form = form});
    const double bound = std::sqrt(numerator / (9 * 64));  // fan in of fire9's 3x3 filters
    const double drawn = largest(parameter(net, "fire9/expand3x3/weight").value());
    CHECK(drawn <= bound * (1 + 1e-7));
    CHECK(drawn > bound * 0.999);
    CHECK(largest(parameter(net, "fire2/bypass/weight").value()) <= std::sqrt(numerator / 96) * (1 + 1e-7));
    const Tensor conv10 = parameter(net, "conv10/weight").value();
    // Five standard deviations of the deviation of n draws, sigma / sqrt(2 n).
    const auto n = static_cast<double>(conv10.numel());
    CHECK_THAT(norm(conv10) / std::sqrt(n), Catch::WithinRel(0.01, 5 / std::sqrt(2 * n)));
    for (const NamedParameter& entry : net.named_parameters())
      if (entry.name.ends_with("/bias")) CHECK(largest(entry.value.value()) == 0);
  };
  check_form(Form::torchvision, 6);
  check_form(Form::caffe, 3);
}

TEST_CASE("Smallest images", "[model]") {
  const auto logits = [](Make model, int64_t size) {
    return make(model, {.classes = 10})(Tensor::zeros({1, size, size, 3})).shape();
  };
  CHECK(logits(squeezenet1_0, 21) == Shape{1, 10});
  CHECK_THROWS_WITH(logits(squeezenet1_0, 20), Catch::StartsWith("maxpool8: max_pool2d: "));
  CHECK(logits(squeezenet1_1, 17) == Shape{1, 10});
  CHECK_THROWS_WITH(logits(squeezenet1_1, 16), Catch::StartsWith("maxpool5: max_pool2d: "));
  CHECK(logits(squeezenet_cifar, 8) == Shape{1, 10});
  CHECK_THROWS_WITH(logits(squeezenet_cifar, 7), Catch::StartsWith("maxpool5: max_pool2d: "));
}

TEST_CASE("Norm::batch normalises after every convolution but conv10", "[model]") {
  SqueezeNet net = make(squeezenet_cifar, {.norm = Norm::batch});
  Rng rng(1);
  auto call = calls(net, Tensor::uniform({2, 32, 32, 3}, -1, 1, rng));
  for (const auto& [path, values] : call) {
    if (!path.ends_with("_bn")) continue;
    CHECK(values.input.storage() == call.at(path.substr(0, path.size() - 3)).output.storage());
  }
  CHECK(call.contains("fire9/expand3x3_bn"));
  CHECK_FALSE(call.contains("conv10_bn"));
}

TEST_CASE("The defaults of the metaparameters are v1.0", "[model]") {
  const FireTable table = fire_table({});
  CHECK(table[0] == FireWidths{.s1x1 = 16, .e1x1 = 64, .e3x3 = 64});
  CHECK(table[1] == table[0]);
  CHECK(table[2] == FireWidths{.s1x1 = 32, .e1x1 = 128, .e3x3 = 128});
  CHECK(table[5] == FireWidths{.s1x1 = 48, .e1x1 = 192, .e3x3 = 192});
  CHECK(table[7] == FireWidths{.s1x1 = 64, .e1x1 = 256, .e3x3 = 256});
}

TEST_CASE("Figure 3: parameters by squeeze ratio and by share of 3x3 filters", "[model]") {
  const auto count = [](const SqueezeNetMetaparameters& metaparameters) {
    Rng rng(1);
    return squeezenet("squeezenet1_0", metaparameters, {}, rng).parameter_count();
  };
  CHECK(count({.sr = 0.125}) == 1'248'424);
  CHECK(count({.sr = 0.25}) == 1'967'080);
  CHECK(count({.sr = 0.5}) == 3'404'392);
  CHECK(count({.sr = 0.75}) == 4'841'704);
  CHECK(count({.sr = 1.0}) == 6'279'016);

  CHECK(count({.sr = 0.5, .pct3x3 = 0.01}) == 1'478'248);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.125}) == 1'929'832);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.25}) == 2'421'352);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.375}) == 2'912'872);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.5}) == 3'404'392);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.625}) == 3'895'912);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.75}) == 4'387'432);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.875}) == 4'878'952);
  CHECK(count({.sr = 0.5, .pct3x3 = 0.99}) == 5'330'536);
}

TEST_CASE("Metaparameters out of range, or that leave a layer without filters, are refused", "[model]") {
  CHECK_THROWS_WITH(fire_table({.pct3x3 = 0.999}),
                    "squeezenet: fire2 would have 16 squeeze, 0 expand1x1 and 128 expand3x3 filters");
  CHECK_THROWS_WITH(fire_table({.sr = 0.001}),
                    "squeezenet: fire2 would have 0 squeeze, 64 expand1x1 and 64 expand3x3 filters");
  CHECK_THROWS_WITH(fire_table({.freq = 0}), "squeezenet: freq must be at least 1, got 0");
  CHECK_THROWS_WITH(fire_table({.base_e = 0}), "squeezenet: base_e must be from 1 to 1000000, got 0");
  CHECK_THROWS_WITH(fire_table({.incr_e = -1}), "squeezenet: incr_e must be from 0 to 1000000, got -1");
  CHECK_THROWS_WITH(fire_table({.incr_e = INT64_MAX}), Catch::Contains("incr_e must be from 0 to 1000000"));
  CHECK_THROWS_WITH(fire_table({.sr = 1.5}), "squeezenet: squeeze_ratio must be above 0 and at most 1, got 1.5");
  CHECK_THROWS_WITH(fire_table({.sr = NAN}), Catch::Contains("squeeze_ratio must be above 0 and at most 1"));
  CHECK_THROWS_WITH(fire_table({.pct3x3 = 1}), "squeezenet: pct3x3 must be between 0 and 1, got 1");
  CHECK_THROWS_WITH(fire_table({.pct3x3 = 0}), "squeezenet: pct3x3 must be between 0 and 1, got 0");
}

TEST_CASE("Pools that are not ascending layers are refused, and so is a network that is not there", "[model]") {
  Rng rng(1);
  const auto make = [&](const std::string& name, const std::vector<int64_t>& pools) {
    return squeezenet(name, {.pools = pools}, {}, rng).size();
  };
  const std::string text = "squeezenet: pools must be layers from 1 (conv1) to 9 (fire9) in ascending order, got ";
  CHECK_THROWS_WITH(make("squeezenet1_0", {0}), text + "0");
  CHECK_THROWS_WITH(make("squeezenet1_0", {1, 10}), text + "10 after 1");
  CHECK_THROWS_WITH(make("squeezenet1_1", {4, 4}), text + "4 after 4");
  CHECK_THROWS_WITH(smallest_image("squeezenet_cifar", {3, 2}), text + "2 after 3");
  CHECK_THROWS_WITH(make("lenet", {1}), "squeezenet: no network \"lenet\" to begin with");
}

TEST_CASE("A bypass that does not fit by identity is a convolution in every layout", "[model]") {
  Rng rng(1);
  SqueezeNet net = squeezenet("squeezenet1_0", {.base_e = 16, .incr_e = 16, .freq = 1},
                              {.classes = 3, .bypass = Bypass::complex}, rng);
  auto call = calls(net, Tensor::zeros({1, 40, 40, 3}));
  for (int64_t i = 2; i <= 9; ++i) CHECK(call.contains("fire" + std::to_string(i) + "/bypass"));
}

TEST_CASE("A network of the default metaparameters is the published one, bit for bit", "[model]") {
  const auto [name, published, classes] =
      GENERATE(table<const char*, Make, int64_t>({{"squeezenet1_0", squeezenet1_0, 1000},
                                                  {"squeezenet1_1", squeezenet1_1, 1000},
                                                  {"squeezenet_cifar", squeezenet_cifar, 10}}));
  CAPTURE(name);
  for (const Form form : {Form::torchvision, Form::caffe}) {
    const SqueezeNetOptions options{.bypass = Bypass::complex, .form = form, .conv10_bias = -0.01};
    Rng rng(42);
    SqueezeNet family = squeezenet(name, {}, options, rng), expected = make(published, options);
    CHECK(family.definition() == expected.definition());
    const auto a = family.named_parameters(), b = expected.named_parameters();
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].name == b[i].name);
      CHECK(bitwise_equal(a[i].value.value(), b[i].value.value()));
    }
    const Shape input{1, 40, 40, 3};
    const Summary mine = summarize(family, input), theirs = summarize(expected, input);
    CHECK(mine.macs == theirs.macs);
    REQUIRE(mine.layers.size() == theirs.layers.size());
    for (size_t i = 0; i < mine.layers.size(); ++i) {
      CHECK(mine.layers[i].name == theirs.layers[i].name);
      CHECK(mine.layers[i].output_shape == theirs.layers[i].output_shape);
    }
    const Tensor image = Tensor::uniform(input, -1, 1, rng);
    family.eval();
    expected.eval();
    const Tensor logits = family(image).value();
    CHECK(bitwise_equal(logits, expected(image).value()));
    CHECK(logits.shape() == Shape{1, classes});
  }
}

TEST_CASE("Pools stand where they are asked for, and decide the smallest image", "[model]") {
  Rng rng(1);
  SqueezeNet net = squeezenet("squeezenet1_1", {.pools = {2, 9}}, {.classes = 3}, rng);
  std::vector<std::string> names;
  for (const LayerSummary& layer : summarize(net, {1, 40, 40, 3}, 1).layers) names.push_back(layer.name);
  CHECK(names == std::vector<std::string>{"conv1", "fire2", "maxpool2", "fire3", "fire4", "fire5", "fire6", "fire7",
                                          "fire8", "fire9", "maxpool9", "dropout9", "conv10", "avgpool10"});
  const std::string name = GENERATE("squeezenet1_0", "squeezenet1_1", "squeezenet_cifar");
  const std::vector<int64_t> pools = GENERATE(std::vector<int64_t>{}, std::vector<int64_t>{5},
                                              std::vector<int64_t>{1, 2}, std::vector<int64_t>{1, 3, 5, 7, 8});
  CAPTURE(name, pools);
  const int64_t smallest = smallest_image(name, pools);
  SqueezeNet narrow = squeezenet(name, {.base_e = 4, .incr_e = 0, .sr = 0.5, .pools = pools}, {.classes = 3}, rng);
  CHECK(narrow(Tensor::zeros({1, smallest, smallest, 3})).shape() == Shape{1, 3});
  CHECK_THROWS_AS(narrow(Tensor::zeros({1, smallest - 1, smallest - 1, 3})), ShapeError);
}

TEST_CASE("A layer of a Fire module can be replaced, and the changed model trains and is saved", "[model]") {
  const Norm norm = GENERATE(Norm::none, Norm::batch);
  // A 3x3 convolution as a 3x1 and a 1x3 of few channels.
  const auto make_thin = [&](uint64_t seed) {
    SqueezeNet net = make(squeezenet_cifar, {.classes = 4, .norm = norm, .dropout = 0});
    Rng rng(seed);
    Sequential thin;
    thin.add("vertical", Conv2d(16, 6, {.kernel = {3, 1}, .padding = {1, 0}, .bias = false}, rng));
    thin.add("horizontal", Conv2d(6, 64, {.kernel = {1, 3}, .padding = {0, 1}, .relu = norm == Norm::none}, rng));
    Sequential& placed = replace(net, "fire2/expand3x3", std::move(thin), {1, 32, 32, 3});
    CHECK(placed.size() == 2);
    return net;
  };
  SqueezeNet net = make_thin(1), other = make_thin(2);
  CHECK(net.definition() == Definition());
  CHECK(net.parameter_count() < count(squeezenet_cifar, {.classes = 4, .norm = norm}) - 7000);
  const Tensor before = parameter(net, "fire2/expand3x3/vertical/weight").value().clone();

  Rng rng(1);
  const Tensor images = Tensor::uniform({4, 16, 16, 3}, -1, 1, rng), labels = Tensor::arange(4);
  SGD optimizer(net.parameters(), {.lr = 0.01});
  std::vector<double> losses;
  for (int step = 0; step < 5; ++step) {
    optimizer.zero_grad();
    const Variable loss = cross_entropy(net(images), labels);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item());
  }
  CHECK(losses.back() < losses.front());
  CHECK_FALSE(bitwise_equal(parameter(net, "fire2/expand3x3/vertical/weight").value(), before));

  const TemporaryFolder folder;
  save(net, folder / "thin.safetensors");
  load(other, folder / "thin.safetensors");
  net.eval();
  other.eval();
  CHECK(bitwise_equal(net(images).value(), other(images).value()));
  SqueezeNet unchanged = make(squeezenet_cifar, {.classes = 4, .norm = norm});
  CHECK_THROWS_AS(load(unchanged, folder / "thin.safetensors"), FileError);
}

TEST_CASE("Gradients of Fire modules, with and without normalisation", "[grad]") {
  const Norm norm = GENERATE(Norm::none, Norm::batch);
  Rng rng(1);
  Fire fire(3, {.s1x1 = 2, .e1x1 = 2, .e3x3 = 3}, {.norm = norm}, rng);
  fire.to(DType::f64);
  const auto f = [&](const Variables& in) {
    replace_parameter(fire, "squeeze/weight", in[1]);
    replace_parameter(fire, "expand3x3/weight", in[2]);
    return fire(in[0]);
  };
  const Tensor x = Tensor::uniform({2, 3, 3, 3}, -1, 1, rng, DType::f64);
  const auto result =
      gradcheck(f, {x, parameter(fire, "squeeze/weight"), parameter(fire, "expand3x3/weight")}, {.order = 2});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("Gradients of a whole network with complex bypasses, by every parameter", "[grad]") {
  const Norm norm = GENERATE(Norm::none, Norm::batch);
  Rng rng(1);
  // v1.0 with narrow Fire modules; without dropout, whose masks would change from call to call.
  SqueezeNet net = squeezenet("squeezenet1_0", {.base_e = 8, .incr_e = 4, .sr = 0.25},
                              {.classes = 3, .bypass = Bypass::complex, .norm = norm, .dropout = 0.0}, rng);
  net.to(DType::f64);
  Variables inputs = net.parameters();
  inputs.emplace_back(Tensor::uniform({2, 29, 29, 3}, -1, 1, rng, DType::f64));
  const auto f = [&](const Variables& in) {
    Substitution substitution(in);
    net.visit(substitution);
    return net(in.back());
  };
  const auto result = gradcheck(f, inputs);
  INFO(result.message);
  CHECK(result.ok);
  CHECK(result.checked >= static_cast<int64_t>(inputs.size()));
}
