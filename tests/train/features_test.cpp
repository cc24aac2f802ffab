// What frozen layers give, computed once.
#include <kindling/train/features.h>

#include <atomic>
#include <catch2/catch.hpp>

#include <kindling/io/weights.h>
#include <kindling/nn/freeze.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/reduce.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include "small_problem.h"

using namespace kindling;

namespace {

/// Everything in front of the dropout frozen.
Sequential frozen_net(bool batch_norm = true) {
  Sequential net = small_net(1, batch_norm);
  freeze(net, batch_norm ? "^(conv|norm)" : "^conv");
  return net;
}

Variables learning(Module& net) {
  Variables result;
  for (const auto& [name, parameter] : trainable(net)) result.push_back(parameter);
  return result;
}

struct Notes : TrainListener {
  void on_note(const std::string& note) override { all += note; }
  std::string all;
};

/// Counts how often samples are read, and cannot read number 3.
struct Counting : data::Wrapped {
  using Wrapped::Wrapped;
  data::Sample get(int64_t index) const override {
    ++reads;
    if (index == 3) throw FileError("sample 3 is damaged");
    return Wrapped::get(index);
  }
  mutable std::atomic<int64_t> reads = 0;
};

double largest_difference(Module& a, Module& b) {
  const std::vector<NamedTensor> one = named_tensors(a), other = named_tensors(b);
  double largest = 0;
  for (size_t i = 0; i < one.size(); ++i) largest = std::max(largest, max(abs(one[i].value - other[i].value)).item());
  return largest;
}

}  // namespace

TEST_CASE("A head trained on cached features is the head trained the plain way, and so are its measures") {
  const TemporaryFolder folder;
  const auto train = quarters(64, 2), val = quarters(32, 3), test = quarters(16, 4);
  Sequential plain = frozen_net(), cached = frozen_net();
  const std::vector<Tensor> before = parameter_copies(plain);
  std::vector<TrainResult> results;
  Notes notes;
  for (Sequential* net : {&plain, &cached}) {
    Trainer trainer(*net, SGD(learning(*net), {.lr = 0.05, .momentum = 0.9}),
                    {.batch_size = 16, .cache_features = net == &cached, .seed = 5});
    results.push_back(trainer.fit(
        train, val,
        {.epochs = 3, .run = folder / (net == &cached ? "cached" : "plain"), .test = test, .listener = &notes}));
  }
  CHECK_THAT(notes.all, Catch::Contains("the frozen layers have run once on each of 96 samples"));
  CHECK(largest_difference(plain, cached) < 1e-6);  // sums in another order
  CHECK_FALSE(bitwise_equal(parameter_copies(cached).back(), before.back()));
  CHECK(bitwise_equal(parameter_copies(cached).front(), before.front()));
  CHECK(results[0].validation->top1 == results[1].validation->top1);
  CHECK_THAT(results[1].test->loss, Catch::WithinRel(results[0].test->loss, 1e-5));
  Sequential loaded = small_net(9, true);  // the checkpoint holds the whole model
  CHECK(load(loaded, read_safetensors(folder / "cached/last.ckpt")).empty());
  CHECK(largest_difference(loaded, cached) == 0);
}

TEST_CASE("Features: each sample is read once, and a damaged one stays damaged") {
  Sequential net = frozen_net();
  const auto base = std::make_shared<Counting>(quarters(10, 2));
  const auto features = compute_features(net, base, nullptr, {.batch_size = 4});
  REQUIRE(features);
  CHECK(base->reads == 10);
  CHECK(features->train->size() == 10);
  CHECK(features->train->get(4).input.shape() == Shape{32});
  CHECK(features->bytes == 9 * 32 * 4);
  CHECK(base->reads == 10);
  CHECK_THROWS_AS(features->train->get(3), FileError);
  CHECK_FALSE(features->val);
}

TEST_CASE("Features: nothing is kept that is too large, or of a model without frozen layers in front") {
  const auto data = quarters(10, 2);
  Sequential net = frozen_net(), unfrozen = small_net(1);
  CHECK_FALSE(compute_features(net, data, nullptr, {.reading = {.cache_bytes = 10 * 32 * 4 - 1}}));
  CHECK(compute_features(net, data, nullptr, {.reading = {.cache_bytes = 10 * 32 * 4}}));
  CHECK_FALSE(compute_features(net, data, data, {.reading = {.cache_bytes = 2 * 10 * 32 * 4 - 1}}));
  CHECK_FALSE(compute_features(unfrozen, data, nullptr, {}));
}

TEST_CASE("Frozen batch normalisation keeps its statistics, and batches may be cut again") {
  Sequential net = frozen_net();
  const auto train = quarters(32, 2);
  std::vector<Tensor> before;
  for (const NamedBuffer& buffer : net.named_buffers()) before.push_back(buffer.value.clone());
  Trainer trainer(net, SGD(learning(net), {.lr = 0.05}), {.batch_size = 16, .micro_batch = 4});
  trainer.fit(train, nullptr, {.epochs = 1});
  for (size_t i = 0; i < before.size(); ++i) CHECK(bitwise_equal(net.named_buffers()[i].value, before[i]));
  CHECK(net.at("norm1").training());
}
