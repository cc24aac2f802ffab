#include <kindling/compress/prune.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <numeric>

#include <kindling/data/transforms.h>
#include <kindling/models/registry.h>
#include <kindling/optim/adam.h>
#include <kindling/optim/muon.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinAbs;

namespace {

/// Layers a [2,3] and b [2,2], with these weights.
Sequential two_layers(const std::vector<float>& a, const std::vector<float>& b) {
  Rng rng(1);
  Sequential net;
  net.add("a", Linear(3, 2, rng)).weight.value().copy_(Tensor::from(a, {2, 3}));
  net.add("b", Linear(2, 2, rng)).weight.value().copy_(Tensor::from(b, {2, 2}));
  return net;
}

std::vector<float> weight(Sequential& net, const std::string& layer) {
  return static_cast<Linear&>(net.at(layer)).weight.value().to_vector<float>();
}

std::vector<int64_t> kept(const std::vector<PrunedLayer>& layers) {
  std::vector<int64_t> counts;
  for (const PrunedLayer& layer : layers) counts.push_back(layer.kept);
  return counts;
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("prune: each layer keeps its largest magnitudes, rounded up, of equal ones the first") {
  Sequential net = two_layers({1, -5, 2, -2, 3, 2}, {1, 1, 1, 1});
  const std::vector<PrunedLayer> left = prune(net, {.density = 0.5});
  CHECK(weight(net, "a") == Floats{0, -5, 2, 0, 3, 0});
  CHECK(weight(net, "b") == Floats{1, 1, 0, 0});
  CHECK(kept(left) == std::vector<int64_t>{3, 2});
  CHECK(left[0].path == "a");
  CHECK(left[0].weights == 6);
  CHECK(left[0].biases == 2);
  CHECK(kept(prune(net, {.density = 0.26})) == std::vector<int64_t>{2, 2});  // 1.56 and 1.04
  CHECK(kept(prune(net, {.density = 0})) == std::vector<int64_t>{0, 0});
}

TEST_CASE("prune: overall, by the share of each weight in those of its layer that are as large") {
  // Scores of a: 1/47, 25/25, 4/38, 4/42, 9/34, 4/46; of b: 16/52, 4/56, 1/57, 36/36.
  for (const float scale : {1.0F, 100.0F}) {  // the scale of a layer does not matter
    Sequential net = two_layers({1, -5, 2, -2, 3, 2}, {scale * 4, scale * 2, scale * 1, scale * 6});
    CHECK(kept(prune(net, {.density = 0.5, .overall = true})) == std::vector<int64_t>{3, 2});
    CHECK(weight(net, "a") == Floats{0, -5, 2, 0, 3, 0});  // of the equal ones the first
    CHECK(weight(net, "b") == Floats{scale * 4, 0, 0, scale * 6});
  }
  Sequential net = two_layers({1, -5, 2, -2, 3, 2}, {4, 2, 1, 6});
  CHECK(kept(prune(net, {.density = 0.8, .overall = true})) == std::vector<int64_t>{5, 3});
  CHECK(kept(prune(net, {.density = 0.2, .overall = true})) == std::vector<int64_t>{1, 1});
  CHECK(kept(prune(net, {.density = 0.9, .overall = true})) == std::vector<int64_t>{1, 1});  // 0 stays 0
}

TEST_CASE("prune: layers with a density of their own have no part in the overall threshold") {
  Sequential net = two_layers({1, 1, 1, 1, 1, 1}, {9, 8, 7, 6});
  const PruneOptions options{.density = 0.5, .layers = {{"b", 0.25}, {"b", 1}}, .overall = true};
  CHECK(kept(prune(net, options)) == std::vector<int64_t>{3, 1});
}

TEST_CASE("prune: what double adds to density x weights is no further weight") {
  Rng rng(1);
  Sequential net;
  net.add("a", Linear(10, 10, rng));
  CHECK(0.07 * 100 > 7);
  CHECK(kept(prune(net, {.density = 0.07})) == std::vector<int64_t>{7});
}

TEST_CASE("prune: errors, before anything changes") {
  Sequential net = two_layers({1, 2, 3, 4, 5, 6}, {1, 2, 3, 4});
  CHECK_THROWS_WITH(prune(net, {.density = 1.5}), Contains("density 1.5 is not in [0, 1]"));
  CHECK_THROWS_WITH(prune(net, {.density = 0, .layers = {{"a", -1}}}), Contains("density -1 of \"a\""));
  CHECK_THROWS_WITH(prune(net, {.density = 0, .layers = {{"c", 1}}}),
                    Contains("\"c\" matches no layer; there are a, b"));
  CHECK(weight(net, "a") == Floats{1, 2, 3, 4, 5, 6});
  static_cast<Linear&>(net.at("b")).weight.value().at<float>({0, 0}) = NAN;
  CHECK_THROWS_WITH(prune(net, {.density = 0}), Contains("the weight of b holds a NaN or Inf"));
}

TEST_CASE("prune: Table 1 of the SqueezeNet paper, to the last weight", "[model]") {
  Rng rng(1);
  const auto net = make_model("squeezenet1_0", {}, rng);
  std::map<std::string, int64_t> left;  // parameters, by the rows of the table
  int64_t total = 0;
  for (const PrunedLayer& layer : prune(*net, {.layers = squeezenet_table1_densities()})) {
    left[layer.path.substr(0, layer.path.find('/'))] += layer.kept + layer.biases;
    total += layer.kept + layer.biases;
  }
  CHECK(left == std::map<std::string, int64_t>{{"conv1", 14208},
                                               {"fire2", 5746},
                                               {"fire3", 6258},
                                               {"fire4", 20646},
                                               {"fire5", 24742},
                                               {"fire6", 44700},
                                               {"fire7", 46236},
                                               {"fire8", 77581},
                                               {"fire9", 77581},
                                               {"conv10", 103400}});
  CHECK(total == 421098);
}

TEST_CASE("prune: what is pruned stays 0 while the Trainer trains, with any optimiser") {
  const std::string name = GENERATE("sgd", "adam", "muon");
  CAPTURE(name);
  Sequential net = small_net(1);
  prune(net, {.density = 0.4});
  const std::vector<PrunedLayer> before = count_kept(net);
  const std::vector<Tensor> start = parameter_copies(net);
  std::unique_ptr<Optimizer> optimizer;
  if (name == "sgd") optimizer = std::make_unique<SGD>(net.parameters(), SGDOptions{.lr = 0.05, .momentum = 0.9});
  if (name == "adam") optimizer = std::make_unique<Adam>(net.parameters(), AdamOptions{.weight_decay = 0.01});
  if (name == "muon") optimizer = std::make_unique<Muon>(net.parameters(), MuonOptions{.weight_decay = 0.01});
  Trainer(net, std::move(optimizer), {.batch_size = 8, .clip_norm = 1}).fit(quarters(40, 1), nullptr, {.epochs = 2});
  CHECK(kept(count_kept(net)) == kept(before));
  CHECK_FALSE(same_bits(start, parameter_copies(net)));
}

TEST_CASE("prune: the trainer resumes with masks, gradual pruning too, to the same bits") {
  const bool gradual = GENERATE(false, true);
  CAPTURE(gradual);
  const auto run = [&](const std::string& folder, bool resume, int64_t stop_after) {
    Sequential net = small_net(1);
    if (!gradual && !resume) prune(net, {.density = 0.4});
    std::atomic<bool> stop = false;
    TrainerOptions how{.schedule = one_cycle(), .batch_size = 8, .clip_norm = 1};
    const auto pruning = gradual_pruning(net, {.last = {.density = 0.3}, .begin = 3, .every = 2, .times = 3});
    how.after_update = [&](int64_t updates) {
      if (gradual) pruning(updates);
      if (updates == stop_after) stop = true;
    };
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3}), how);
    trainer.fit(quarters(80, 1), nullptr,
                {.epochs = 2, .run = folder, .resume = resume, .curves = false, .stop = &stop});
    for (const PrunedLayer& layer : count_kept(net)) {
      const double density = gradual ? 0.3 : 0.4;
      if (stop_after == 0) CHECK(layer.kept == std::ceil(density * static_cast<double>(layer.weights) - 1e-6));
    }
    return parameter_copies(net);
  };
  const TemporaryFolder folder;
  const std::vector<Tensor> straight = run(folder / "straight", false, 0);
  const int64_t stop_after = GENERATE(5, 6, 10);  // at a pruning, between two, and at the end of the first epoch
  run(folder / "stopped", false, stop_after);
  CHECK(same_bits(straight, run(folder / "stopped", true, 0)));
}

TEST_CASE("gradual_density: the cubic of Zhu and Gupta") {
  CHECK_THAT(gradual_density(1, 0.2, 0, 4), WithinAbs(1, 1e-12));
  CHECK_THAT(gradual_density(1, 0.2, 1, 4), WithinAbs(1 - (0.8 - 0.8 * 0.75 * 0.75 * 0.75), 1e-12));
  CHECK_THAT(gradual_density(0.5, 0.2, 3, 4), WithinAbs(1 - (0.8 + (0.5 - 0.8) / 64), 1e-12));
  CHECK_THAT(gradual_density(1, 0.2, 4, 4), WithinAbs(0.2, 1e-12));
  CHECK(gradual_density(0.5, 0.7, 0, 4) == 0.7);
}

TEST_CASE("gradual_pruning: prunes at its updates alone") {
  Rng rng(1);
  Sequential net;
  net.add("a", Linear(10, 10, rng));
  const auto pruning = gradual_pruning(net, {.last = {.density = 0.2}, .begin = 5, .every = 10, .times = 2});
  std::vector<int64_t> left;
  for (const int64_t updates : {1, 5, 10, 15, 20, 25, 35}) {
    pruning(updates);
    left.push_back(count_kept(net)[0].kept);
  }
  CHECK(left == std::vector<int64_t>{100, 100, 100, 30, 30, 20, 20});
  CHECK_THROWS_WITH(gradual_pruning(net, {.every = 0}), Contains("every 0 updates"));
  CHECK_THROWS_WITH(gradual_pruning(net, {.last = {.density = 2}}), Contains("density 2"));
}

TEST_CASE("hold_pruned holds the zeros that are there, and release_weights lets them grow") {
  Sequential net = two_layers({1, 0, 2, 0, 3, 2}, {1, 1, 1, 1});
  hold_pruned(net);
  Linear &a = static_cast<Linear&>(net.at("a")), &b = static_cast<Linear&>(net.at("b"));
  SGD optimizer({a.weight, b.weight}, {.lr = 1});
  const auto step = [&] {
    for (Variable weight : {a.weight, b.weight}) weight.grad() = Tensor::ones(weight.shape());
    optimizer.step();
  };
  step();
  CHECK(weight(net, "a") == Floats{0, 0, 1, 0, 2, 1});
  CHECK(weight(net, "b") == Floats{0, 0, 0, 0});
  release_weights(net);
  step();
  CHECK(weight(net, "a") == Floats{-1, -1, 0, -1, 1, 0});
}

TEST_CASE("prune: what was pruned before stays so, whatever density is asked for then") {
  Sequential net = two_layers({1, 5, 2, 6, 3, 4}, {1, 2, 3, 4});
  prune(net, {.density = 0.5});
  static_cast<Linear&>(net.at("a")).weight.value().copy_(Tensor::from<float>({9, 5, 9, 6, 0, 4}, {2, 3}));
  const std::vector<PrunedLayer> again = prune(net, {.density = 0.9, .layers = {{"b", 1}}});
  CHECK(again[0].kept == 3);
  CHECK(again[1].kept == 2);
  CHECK(weight(net, "a") == Floats{0, 5, 0, 6, 0, 4});
  CHECK(static_cast<Linear&>(net.at("b")).weight.constraint().codes.defined());
  release_weights(net);
  CHECK(prune(net, {.density = 1})[0].kept == 6);
}

TEST_CASE("A model that is converted keeps what is held") {
  Sequential net = two_layers({1, 0, 2, 0, 3, 2}, {1, 1, 1, 1});
  hold_pruned(net);
  net.to(DType::f64);
  CHECK(static_cast<Linear&>(net.at("a")).weight.constraint().codes.to_vector<int64_t>() ==
        std::vector<int64_t>{1, 0, 1, 0, 1, 1});
}
