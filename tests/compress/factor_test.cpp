#include <kindling/compress/factor.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/interop/weights.h>
#include <kindling/models/registry.h>
#include <kindling/nn/conv.h>
#include <kindling/nn/linear.h>
#include <kindling/nn/sequential.h>
#include <kindling/tensor/matmul.h>
#include <kindling/tensor/svd.h>

#include <kindling/tests/support/temporary_folder.h>

using namespace kindling;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinRel;

namespace {

Sequential conv_net(const ConvOptions& options) {
  Rng rng(1);
  Sequential net;
  net.add("conv", Conv2d(5, 7, options, rng));
  return net;
}

Tensor run(Module& net, const Tensor& x) {
  const NoGrad no_grad;
  return net(x).value();
}

/// The weight whose layer does what the layers "0" and "1" do one after the other, [O,KH,KW,C].
Tensor product(Sequential& net, Factoring form, const Shape& shape) {
  const Tensor first = net.named_parameters()[0].value.value(), second = net.named_parameters()[1].value.value();
  const int64_t r = first.size(0), o = shape[0], kh = shape[1], kw = shape[2], c = shape[3];
  if (form == Factoring::spatial)
    return matmul(second.reshape({o * kw, r}), first.reshape({r, kh * c}))
        .reshape({o, kw, kh, c})
        .permute({0, 2, 1, 3})
        .contiguous();
  return matmul(second.reshape({second.numel() / r, r}), first.reshape({r, first.numel() / r})).reshape(shape);
}

constexpr Factoring kForms[] = {Factoring::spatial, Factoring::input_channels, Factoring::output_channels};

}  // namespace

TEST_CASE("factor: a convolution at full rank gives the same outputs, strides, padding and dilation right") {
  const ConvOptions options = GENERATE(
      ConvOptions{.kernel = 3, .padding = 1}, ConvOptions{.kernel = {3, 5}, .stride = {2, 1}, .padding = {0, 2}},
      ConvOptions{.kernel = {1, 3}, .stride = 2, .padding = 1, .relu = true},
      ConvOptions{.kernel = 3, .padding = 2, .dilation = 2, .bias = false}, ConvOptions{.kernel = 1, .stride = 2});
  Rng rng(2);
  const Tensor x = Tensor::normal({2, 9, 8, 5}, 0, 1, rng);
  for (const Factoring form : kForms) {
    Sequential net = conv_net(options);
    const Tensor before = run(net, x);
    const auto rows = factor(net, {.form = form, .rank = 1000});
    CAPTURE(static_cast<int>(form), rows[0].rank);
    CHECK(rows[0].rank == rows[0].full_rank);
    CHECK(rows[0].error == 0);
    CHECK(net.named_parameters()[0].name == "conv/0/weight");
    CHECK(relative_distance(run(net, x), before) < 1e-5);  // f32 sums in another order
  }
}

TEST_CASE("factor: a lower rank has the least error of all, by Eckart and Young") {
  for (const Factoring form : kForms) {
    Sequential net = conv_net({.kernel = 3});
    const Tensor w = net.named_parameters()[0].value.value().clone();
    const auto row = factor(net, {.form = form, .rank = 3}).at(0);
    CAPTURE(static_cast<int>(form));
    const Tensor matrix = form == Factoring::spatial          ? w.permute({0, 2, 1, 3}).reshape({21, 15})
                          : form == Factoring::input_channels ? w.reshape({63, 5})
                                                              : w.reshape({7, 45});
    const Svd parts = svd(matrix);
    double lost = 0, all = 0;
    for (size_t i = 0; i < parts.s.size(); ++i) {
      all += parts.s[i] * parts.s[i];
      if (i >= 3) lost += parts.s[i] * parts.s[i];
    }
    CHECK_THAT(row.error, WithinRel(std::sqrt(lost / all), 1e-9));
    CHECK_THAT(relative_distance(product(net, form, w.shape()), w), WithinRel(row.error, 1e-4));  // f32
  }
}

TEST_CASE("factor: fully connected layers") {
  Rng rng(1);
  Sequential net;
  net.add("fc", Linear(20, 8, {.relu = true, .bias_init = init::constant(0.5)}, rng));
  const Tensor x = Tensor::normal({3, 20}, 0, 1, rng), before = run(net, x);
  const auto row = factor(net, {.rank = 8}).at(0);
  CHECK(row.weights_before == 160);
  CHECK(row.weights == 8 * 28);
  CHECK(relative_distance(run(net, x), before) < 1e-5);
}

TEST_CASE("factor: ranks by energy, by weights and by multiply-adds") {
  Rng rng(1);
  const auto net_of = [&](const std::vector<double>& singular) {  // a diagonal weight [6,6]
    Sequential net;
    Linear& fc = net.add("fc", Linear(6, 6, rng));
    fc.weight.value().fill_(0);
    for (size_t i = 0; i < singular.size(); ++i)
      fc.weight.value().at<float>({static_cast<int64_t>(i), static_cast<int64_t>(i)}) = static_cast<float>(singular[i]);
    return net;
  };
  const std::vector<double> singular{4, 3, 2, 1, 1, 1};  // squares 16, 9, 4, 1, 1, 1 of 32
  Sequential a = net_of(singular), b = net_of(singular), c = net_of(singular), d = net_of(singular);
  CHECK(factor(a, {.energy = 0.78}).at(0).rank == 2);
  CHECK(factor(b, {.energy = 0.79}).at(0).rank == 0);  // 3 would have as many weights as before
  CHECK(b.named_parameters()[0].name == "fc/weight");
  CHECK(factor(c, {.weights = 0.7}).at(0).rank == 2);  // 24 of 36
  CHECK(factor(d, {.weights = 0.3}).at(0).rank == 0);

  Sequential strided = conv_net({.kernel = 3, .stride = 2});
  const auto row = factor(strided, {.form = Factoring::spatial, .macs = 0.5}).at(0);
  CHECK(row.macs_before == 315);
  CHECK(row.rank == 3);  // 3 x (7 x 3 + 2 x 5 x 3) = 153: "0" runs on twice as many columns
  CHECK(row.macs == 153);
  CHECK(row.weights == 108);
}

TEST_CASE("factor: overall, by what each value is worth for its weights, so that small layers keep all") {
  // Diagonal weights: singular values are known. A value takes 12 weights of "a", 40 of "b".
  const auto net_of = [&] {
    Rng rng(1);
    Sequential net;
    for (const auto& [name, size] : {std::pair{"a", 6}, {"b", 20}}) {
      Linear& fc = net.add(name, Linear(size, size, rng));
      fc.weight.value().fill_(0);
      for (int64_t i = 0; i < size; ++i) fc.weight.value().at<float>({i, i}) = 1 / static_cast<float>(1 + i);
    }
    return net;
  };
  const auto ranks = [&](double share) {
    Sequential net = net_of();
    const std::vector<FactoredLayer> rows = factor(net, {.weights = share, .overall = true});
    CHECK(static_cast<double>(rows[0].weights + rows[1].weights) <= share * 436);
    return std::vector<int64_t>{rows[0].rank, rows[1].rank};
  };
  // 2 values save nothing of "a" beyond 24 weights; whole it has 36, as many as 3 would take.
  CHECK(ranks(0.2) == std::vector<int64_t>{0, 1});
  CHECK(ranks(0.4) == std::vector<int64_t>{0, 3});
  CHECK(ranks(0.9) == std::vector<int64_t>{0, 8});
  Sequential tiny = net_of();
  const std::vector<FactoredLayer> rows = factor(tiny, {.weights = 0.01, .overall = true});
  CHECK(rows[0].rank == 1);  // at least, though that is more than the share
  CHECK(rows[1].rank == 1);
  Sequential net = net_of();
  CHECK_THROWS_WITH(factor(net, {.energy = 0.5, .overall = true}), Contains("overall is of weights"));
}

TEST_CASE("factor: macs are those that the layers count, away from the border") {
  for (const Factoring form : kForms) {
    Sequential net = conv_net({.kernel = {3, 5}, .stride = {2, 1}, .padding = {1, 2}});
    const auto row = factor(net, {.form = form, .rank = 2}).at(0);
    Module& pair = net.at("conv");
    const Shape input{1, 200, 200, 5};
    auto& first = static_cast<Sequential&>(pair).at("0");
    auto& second = static_cast<Sequential&>(pair).at("1");
    const Shape middle = *first.output_shape(input), output = *second.output_shape(middle);
    const auto pixels = static_cast<double>(output.numel() / output[3]);
    const auto macs = static_cast<double>(first.macs(input, middle) + second.macs(middle, output));
    CAPTURE(static_cast<int>(form));
    CHECK_THAT(macs / pixels, WithinRel(static_cast<double>(row.macs), 0.02));
  }
}

TEST_CASE("factor: errors, before anything changes") {
  Rng rng(1);
  Sequential net;
  net.add("conv", Conv2d(4, 4, {.kernel = 3, .groups = 2}, rng));
  CHECK_THROWS_WITH(factor(net, {.rank = 1}), Contains("conv is a convolution in groups"));
  CHECK_THROWS_WITH(factor(net, {}), Contains("needs one of rank, energy (at most 1), weights and macs"));
  CHECK_THROWS_WITH(factor(net, {.rank = 1, .energy = 0.5}), Contains("needs one of"));
  CHECK_THROWS_WITH(factor(net, {.layers = "fc", .rank = 1}), Contains("\"fc\" matches no layer; there are conv"));
  Sequential other = conv_net({.kernel = 3});
  factor(other, {.rank = 2});
  CHECK_THROWS_WITH(factor(other, {.rank = 1}), Contains("conv/0 is a factor already"));
}

TEST_CASE("A factored model is saved, and its file says enough to load it again", "[model]") {
  const std::string ending = GENERATE(".safetensors", ".pth");
  Rng rng(1);
  const auto net = make_model("squeezenet_cifar", {.classes = 4}, rng);
  factor(*net, {.layers = "expand3x3", .weights = 0.3});
  factor(*net, {.layers = "^(conv1|fire2/squeeze)$", .form = Factoring::output_channels, .rank = 4});
  const TemporaryFolder folder;
  save(*net, folder / ("net" + ending));
  const auto loaded = load_model(folder / ("net" + ending));
  net->eval();
  const Tensor x = Tensor::normal({1, 32, 32, 3}, 0, 1, rng);
  CHECK(bitwise_equal(run(*net, x), run(*loaded, x)));
  CHECK(loaded->definition() == net->definition());
  CHECK(loaded->parameter_count() == net->parameter_count());
}

TEST_CASE("A file whose factors do not fit its model is refused", "[model]") {
  Rng rng(1);
  const auto net = make_model("lenet", {}, rng);
  factor(*net, {.layers = "fc1", .rank = 3});
  auto& pair = dynamic_cast<Sequential&>(dynamic_cast<Sequential&>(*net).at("fc1"));
  dynamic_cast<Linear&>(pair.at("0")).weight = Variable(Tensor::zeros({3, 7}), true);
  const TemporaryFolder folder;
  save(*net, folder / "net.safetensors");
  CHECK_THROWS_AS(load_model(folder / "net.safetensors"), FileError);
  CHECK_THROWS_WITH(load_model(folder / "net.safetensors"),
                    Contains("holds a smaller model that cannot be made here") && Contains("[3, 7] and [500, 3]"));
}
