#include <kindling/compress/sensitivity.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include <kindling/optim/sgd.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;
using Catch::Matchers::Contains;

namespace {

/// Nonzero weights of each layer.
std::vector<int64_t> kept(Module& net) {
  std::vector<int64_t> counts;
  for (const PrunedLayer& layer : count_kept(net)) counts.push_back(layer.kept);
  return counts;
}

}  // namespace

TEST_CASE("scan_sensitivity: one layer at a time, and the model is as it was afterwards") {
  Sequential net = small_net(1);
  prune(net, {.density = 1, .layers = {{"fc", 0.5}}});
  const std::vector<Tensor> before = parameter_copies(net);
  std::vector<std::vector<int64_t>> seen;
  const auto score = [&](Module& model) {
    seen.push_back(kept(model));
    return static_cast<double>(seen.size());
  };
  int64_t told = 0;
  const Sensitivity scan = scan_sensitivity(
      net, score, {.densities = {0.25, 0.5}, .layers = "conv", .progress = [&](int64_t done, int64_t total) {
                     CHECK(total == 5);
                     told = done;
                   }});
  CHECK(seen == std::vector<std::vector<int64_t>>{
                    {108, 432, 64}, {54, 432, 64}, {27, 432, 64}, {108, 216, 64}, {108, 108, 64}});
  CHECK(scan.score == 1);
  CHECK(scan.densities == std::vector<double>{0.5, 0.25});
  REQUIRE(scan.layers.size() == 2);
  CHECK(scan.layers[1].path == "conv2");
  CHECK(scan.layers[1].scores == std::vector<double>{4, 5});
  CHECK(told == 5);
  CHECK(same_bits(before, parameter_copies(net)));
  const std::vector<WeightLayer> layers = checked_weight_layers(net, "test");
  CHECK_FALSE(layers[0].weight->constraint().codes.defined());
  CHECK(layers[2].weight->constraint().codes.defined());
}

TEST_CASE("scan_sensitivity: a score that throws leaves the model as it was") {
  Sequential net = small_net(1);
  const std::vector<Tensor> before = parameter_copies(net);
  int64_t calls = 0;
  const auto score = [&](Module&) -> double { return ++calls < 3 ? 0 : throw Error("no more"); };
  CHECK_THROWS_WITH(scan_sensitivity(net, score), Contains("no more"));
  CHECK(same_bits(before, parameter_copies(net)));
  CHECK_THROWS_WITH(scan_sensitivity(net, score, {.densities = {2}}), Contains("density 2 is not in [0, 1]"));
}

TEST_CASE("propose_densities: down to the last density before the loss is too large") {
  const Sensitivity scan{.score = 90,
                         .densities = {0.8, 0.5, 0.2},
                         .layers = {{"a", {90, 89, 80}}, {"b/c", {88.9, 91, 91}}, {"d.e", {91, 90, 89}}}};
  const std::vector<LayerDensity> proposed = propose_densities(scan, 1);
  REQUIRE(proposed.size() == 3);
  CHECK(proposed[0].value == 0.5);
  CHECK(proposed[1].value == 1);
  CHECK(proposed[2].value == 0.2);
  CHECK(proposed[1].pattern == "^b/c$");
  CHECK(proposed[2].pattern == "^d\\.e$");
}

TEST_CASE("Sensitivity by top-1: the densities that it proposes cost little, and are drawn") {
  Sequential net = small_net(1);
  Trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9}), {.schedule = poly(1.0), .batch_size = 16})
      .fit(quarters(200, 1), nullptr, {.epochs = 6});
  const data::DatasetPtr val = quarters(200, 2);
  const Sensitivity scan = scan_sensitivity(net, top1_on(val));
  CHECK(scan.score > 80);
  CHECK(scan.score == *evaluate(net, val).top1);
  double worst = 100;
  for (const auto& row : scan.layers) worst = std::min(worst, row.scores.back());
  CHECK(worst < scan.score - 5);
  prune(net, {.layers = propose_densities(scan, 2)});
  CHECK(*evaluate(net, val).top1 > scan.score - 15);

  const TemporaryFolder folder;
  draw_sensitivity(scan, folder / "scan.svg");
  std::stringstream svg;
  svg << std::ifstream(folder / "scan.svg").rdbuf();
  for (const char* text : {"<svg", "conv1", "conv2", "fc", "density of the layer"})
    CHECK_THAT(svg.str(), Contains(text));
}
