#include <kindling/compress/share.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <set>

#include <kindling/autograd/gradcheck.h>
#include <kindling/autograd/ops/conv.h>
#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/index.h>
#include <kindling/autograd/ops/shape.h>
#include <kindling/compress/prune.h>
#include <kindling/interop/weights.h>
#include <kindling/models/registry.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinRel;

namespace {

Variable& weight(Sequential& net, const std::string& layer) {
  for (WeightLayer& found : checked_weight_layers(net, "test"))
    if (found.path == layer) return *found.weight;
  throw Error("no layer");
}

std::set<float> different(const Tensor& x) {
  const auto values = x.to_vector<float>();
  return {values.begin(), values.end()};
}

/// Whether two tensors are 0 at the same places.
bool same_zeros(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<float>(), y = b.to_vector<float>();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](float p, float q) { return (p == 0) == (q == 0); });
}

/// Whether elements of the same code are equal, and those of code 0 are 0.
bool keeps_codes(const Variable& weight) {
  const Codebook book = codebook_of(weight);
  const auto values = weight.value().to_vector<float>();
  const uint8_t* code = book.codes.data<uint8_t>();
  return std::equal(values.begin(), values.end(), code, [&](float v, uint8_t c) { return v == book.values[c]; });
}

/// x [8,8,2] inside zeros: LeNet takes no less than 16 pixels.
Tensor with_border(const Tensor& x, Rng&) {
  Tensor larger = Tensor::zeros({16, 16, 2});
  larger.slice(0, 4, 12).slice(1, 4, 12).copy_(x);
  return larger;
}

}  // namespace

TEST_CASE("share: 2^bits - 1 values beside 0, and the error is that of the weights") {
  Sequential net = small_net(1);
  prune(net, {.density = 0.5});
  const std::vector<Tensor> before = parameter_copies(net);
  const std::vector<SharedLayer> layers = share(net, {.bits = 3, .layers = {{"^conv2$", 1}}});
  const std::vector<Tensor> after = parameter_copies(net);
  REQUIRE(layers.size() == 3);
  CHECK(layers[0].path == "conv1");
  CHECK(layers[0].weights == 108);
  CHECK(layers[0].nonzero == 54);
  CHECK(layers[0].values == 7);
  CHECK(layers[1].values == 1);
  CHECK(different(after[0]).size() == 8);
  CHECK(same_zeros(before[0], after[0]));
  CHECK(bitwise_equal(before[1], after[1]));                                             // the bias
  CHECK_THAT(layers[0].error, WithinRel(relative_distance(after[0], before[0]), 1e-4));  // values are rounded to f32
  CHECK(layers[0].error < layers[0].start_error);
}

TEST_CASE("share: what has few values loses nothing") {
  Sequential net = small_net(1);
  prune(net, {.density = 0.5});
  share(net, {.bits = 4});
  const std::vector<Tensor> before = parameter_copies(net);
  release_weights(net);
  for (const SharedLayer& layer : share(net, {.bits = 4})) CHECK(layer.error == 0);
  CHECK(same_bits(before, parameter_copies(net)));
}

TEST_CASE("A codebook can be taken out of a shared weight and put into another") {
  Sequential net = small_net(1), other = small_net(2);
  prune(net, {.density = 0.5});
  share(net, {.bits = 3});
  const Codebook book = codebook_of(weight(net, "conv1"));
  CHECK(book.values.size() == 8);
  CHECK(book.values[0] == 0);
  CHECK(std::is_sorted(book.values.begin() + 1, book.values.end()));
  CHECK(keeps_codes(weight(net, "conv1")));
  set_codebook(weight(other, "conv1"), book);
  CHECK(bitwise_equal(weight(net, "conv1").value(), weight(other, "conv1").value()));
  CHECK(weight(other, "conv1").constraint().shared);

  CHECK_THROWS_WITH(codebook_of(weight(other, "conv2")), Contains("the weight is not shared"));
  CHECK_THROWS_WITH(set_codebook(weight(other, "conv1"), {{0, 1}, book.codes}), Contains("code 7, but 2 values"));
  CHECK_THROWS_WITH(set_codebook(weight(other, "conv2"), book), Contains("codes u8"));
}

TEST_CASE("share: errors, before anything changes") {
  Sequential net = small_net(1);
  const std::vector<Tensor> before = parameter_copies(net);
  CHECK_THROWS_WITH(share(net, {.bits = 9}), Contains("codes of 9 bits for conv1"));
  CHECK_THROWS_WITH(share(net, {.layers = {{"fc", 0}}}), Contains("codes of 0 bits for fc"));
  CHECK(same_bits(before, parameter_copies(net)));
}

TEST_CASE("A layer whose weight is gather(values, codes) has right gradients, to order 2", "[grad]") {
  Rng rng(1);
  const Variable index(Tensor::from(std::vector<int64_t>{0, 1, 2, 1, 2, 2, 0, 1, 2, 1, 1, 2, 0, 2, 1, 2, 1, 0}));
  const auto layer = [&](const Variables& in) {
    const Variable w = reshape(gather(in[0], 0, index), {2, 3, 3, 1});
    return square(conv2d(in[1], w, Variable(), {.padding = 1}));
  };
  const Variables inputs{Tensor::normal({3}, 0, 1, rng), Tensor::normal({2, 4, 4, 1}, 0, 1, rng)};
  const GradcheckResult result = gradcheck(layer, inputs, {.order = 2});
  CHECK(result.checked > 0);
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("share: clusters stay clusters and zeros stay 0 while the Trainer trains, and their values move") {
  const bool muon = GENERATE(false, true);
  CAPTURE(muon);
  Sequential net = small_net(1);
  const data::DatasetPtr train = quarters(200, 1);
  Trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9}), {.schedule = poly(1.0), .batch_size = 16})
      .fit(train, nullptr, {.epochs = 4});
  prune(net, {.density = 0.3});
  share(net, {.bits = 2});
  const std::vector<Tensor> before = parameter_copies(net);
  const double loss = evaluate(net, train).loss;
  std::unique_ptr<Optimizer> optimizer;
  if (muon)
    optimizer = std::make_unique<Muon>(net.parameters(), MuonOptions{.lr = 2e-3, .weight_decay = 0.01});
  else
    optimizer = std::make_unique<SGD>(net.parameters(), SGDOptions{.lr = 1e-3, .momentum = 0.9, .weight_decay = 1e-3});
  Trainer(net, std::move(optimizer), {.batch_size = 16, .clip_norm = 1}).fit(train, nullptr, {.epochs = 4});
  const std::vector<Tensor> after = parameter_copies(net);
  for (const std::string layer : {"conv1", "conv2"}) CHECK(keeps_codes(weight(net, layer)));
  CHECK(same_zeros(before[0], after[0]));
  CHECK_FALSE(bitwise_equal(before[0], after[0]));
  CHECK(evaluate(net, train).loss < 0.8 * loss);
}

TEST_CASE("share: a run is resumed with its codes, to the same bits, and its file is that of a plain model") {
  const TemporaryFolder folder;
  const auto run = [&](const std::string& name, bool resume, int64_t stop_after) {
    Rng rng(1);
    const auto net = make_model("lenet", {.classes = 4, .channels = 2, .size = 16}, rng);
    if (!resume) {
      prune(*net, {.density = 0.3});
      share(*net, {.bits = 4});
    }
    std::atomic<bool> stop = false;
    TrainerOptions how{.batch_size = 8};
    how.train_transform = how.eval_transform = with_border;
    how.after_update = [&](int64_t updates) { stop = updates == stop_after; };
    Trainer trainer(*net, SGD(net->parameters(), {.lr = 0.01, .momentum = 0.9}), how);
    trainer.fit(quarters(40, 1), nullptr,
                {.epochs = 2, .run = folder / name, .resume = resume, .curves = false, .stop = &stop});
    return parameter_copies(*net);
  };
  const std::vector<Tensor> straight = run("straight", false, 0);
  run("stopped", false, 3);
  CHECK(same_bits(straight, run("stopped", true, 0)));
  const auto loaded = load_model(folder / "straight/last.ckpt");
  CHECK(same_bits(straight, parameter_copies(*loaded)));
  for (const SharedLayer& layer : share(*loaded, {.bits = 4})) CHECK(layer.error == 0);
}
