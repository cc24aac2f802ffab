// What each update of a training sees: its place in the schedule, its samples, their transforms, dropout's masks.
#include <kindling/train/trainer.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include <kindling/optim/sgd.h>

#include "small_problem.h"

using namespace kindling;

namespace {

const SGDOptions kSgd{.lr = 0.05, .momentum = 0.9};

/// Gives each pixel the value `x`.
data::Transform filled_with(double x) {
  return [x](const Tensor& input, Rng&) { return Tensor::full(input.shape(), x); };
}

/// A network of which `look` sees what comes in. Its batch statistics keep batches whole in
/// training.
struct Watched : Module {
  explicit Watched(std::function<void(const Variable&)> look)
      : look_(std::move(look)), conv_(2, 4, {.kernel = 3}, rng_) {}
  std::string kind() const override { return "Watched"; }
  Variable forward(const Variable& x) override {
    look_(x);
    return pool_(norm_(conv_(x)));
  }
  void visit(Visitor& visitor) override {
    visitor("conv", conv_);
    visitor("norm", norm_);
    visitor("pool", pool_);
  }

 private:
  Rng rng_{1};
  std::function<void(const Variable&)> look_;
  Conv2d conv_;
  BatchNorm2d norm_{4};
  GlobalAvgPool pool_;
};

}  // namespace

TEST_CASE("the schedule is asked before each update, for its number among all") {
  // 20 samples in batches of 6: four of them, the last one ragged, or three without it.
  struct Case {
    int64_t accumulate;
    bool drop_last;
    int64_t updates;  // of one epoch
  };
  for (const auto& [accumulate, drop_last, updates] :
       {Case{1, false, 4}, Case{3, false, 2}, Case{1, true, 3}, Case{2, true, 2}, Case{3, true, 1}}) {
    CAPTURE(accumulate, drop_last);
    std::vector<std::pair<int64_t, int64_t>> asked, expected;
    const Schedule schedule = [&](int64_t step, int64_t total) {
      asked.emplace_back(step, total);
      return SchedulePoint{.lr_factor = 0};
    };
    for (int64_t step = 0; step < 2 * updates; ++step) expected.emplace_back(step, 2 * updates);
    Sequential net = small_net(1);
    const std::vector<Tensor> before = parameter_copies(net);
    Trainer trainer(net, SGD(net.parameters(), kSgd),
                    {.schedule = schedule, .batch_size = 6, .accumulate = accumulate, .drop_last = drop_last});
    CHECK(trainer.fit(quarters(20, 1), nullptr, {.epochs = 2}).steps == 2 * updates);
    CHECK(asked == expected);
    CHECK(same_bits(parameter_copies(net), before));  // no update has had the optimiser's own rate
  }
}

TEST_CASE("training and validation have transforms of their own, and the test has validation's") {
  std::vector<float> trained, measured;
  Watched net(
      [&](const Variable& x) { (is_recording() ? trained : measured).push_back(x.value().to_vector<float>()[0]); });
  Trainer trainer(net, SGD(net.parameters(), kSgd),
                  {.batch_size = 8, .train_transform = filled_with(1), .eval_transform = filled_with(2)});
  const ThreadsGuard one(1);
  trainer.fit(quarters(16, 1), quarters(8, 2), {.epochs = 2, .test = quarters(8, 3)});
  CHECK(trained == std::vector<float>(4, 1.0F));
  CHECK(measured.size() >= 3);  // twice the validation, once the test, each in one part or more
  CHECK(std::count(measured.begin(), measured.end(), 2.0F) == static_cast<int64_t>(measured.size()));
}

TEST_CASE("an epoch's last batch is left out where it is smaller and that is asked for") {
  for (const bool drop_last : {false, true}) {
    std::vector<int64_t> sizes;
    Watched net([&](const Variable& x) { sizes.push_back(x.size(0)); });
    Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 8, .drop_last = drop_last});
    trainer.fit(quarters(20, 1), nullptr, {.epochs = 1});
    CHECK(sizes == (drop_last ? std::vector<int64_t>{8, 8} : std::vector<int64_t>{8, 8, 4}));
  }
}

TEST_CASE("dropout draws other masks for every batch of every epoch") {
  Rng rng(1);
  std::vector<Tensor> masks;
  Sequential net;
  net.add("drop", Dropout(0.5, rng));
  net.add("look", Fn("Look", [&](const Variable& x) {
            masks.push_back(x.value().clone());
            return x;
          }));
  net.add("flatten", Flatten());
  net.add("fc", Linear(8 * 8 * 2, 4, rng));
  Trainer trainer(net, SGD(net.parameters(), kSgd),
                  {.batch_size = 8, .micro_batch = 8, .train_transform = filled_with(1)});
  const ThreadsGuard one(1);
  trainer.fit(quarters(16, 1), nullptr, {.epochs = 3});
  REQUIRE(masks.size() == 6);
  for (size_t i = 0; i < masks.size(); ++i)
    for (size_t j = 0; j < i; ++j) CHECK_FALSE(bitwise_equal(masks[i], masks[j]));
}
