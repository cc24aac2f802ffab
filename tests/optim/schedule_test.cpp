// Schedules against their closed forms.
#include <kindling/optim/schedule.h>

#include <cmath>
#include <numbers>

#include <catch2/catch.hpp>

#include <kindling/optim/sgd.h>

#include "trajectory.h"

using namespace kindling;

namespace {

constexpr int64_t kTotal = 100;
constexpr double kRounding = 1e-14;  // a few operations in double

void check_factors(const Schedule& schedule, double (*formula)(double step)) {
  for (int64_t step = 0; step <= kTotal; ++step) {
    CAPTURE(step);
    const SchedulePoint point = schedule(step, kTotal);
    CHECK_THAT(point.lr_factor, Catch::WithinAbs(formula(static_cast<double>(step)), kRounding));
    CHECK_FALSE(point.momentum.has_value());
  }
  CHECK(schedule(kTotal + 50, kTotal).lr_factor == schedule(kTotal, kTotal).lr_factor);
}

}  // namespace

TEST_CASE("Schedules follow their closed forms and stay at the end") {
  check_factors(constant(), [](double) { return 1.0; });
  check_factors(poly(), [](double s) { return 1 - s / 100; });
  check_factors(poly(2.0), [](double s) { return (1 - s / 100) * (1 - s / 100); });
  check_factors(step_decay(30, 0.5), [](double s) { return std::pow(0.5, std::floor(s / 30)); });
  check_factors(multistep({30, 60, 60, 90}, 0.5), [](double s) {
    return s < 30 ? 1.0 : s < 60 ? 0.5 : s < 90 ? 0.125 : 0.0625;
  });
  check_factors(cosine(), [](double s) { return (1 + std::cos(std::numbers::pi * s / 100)) / 2; });
  check_factors(cosine(0.1), [](double s) { return 0.1 + 0.9 * (1 + std::cos(std::numbers::pi * s / 100)) / 2; });
}

TEST_CASE("The paper's solver: 0.04, falling in a line to 0 over 170,000 steps") {
  CHECK_THAT(0.04 * poly(1.0)(85000, 170000).lr_factor, Catch::WithinRel(0.02, kRounding));
  CHECK(poly(1.0)(170000, 170000).lr_factor == 0.0);
}

TEST_CASE("Warm-up rises in a line to what comes after it") {
  const Schedule schedule = warmup(4, poly());
  for (int64_t step = 0; step < 4; ++step)
    CHECK_THAT(schedule(step, kTotal).lr_factor,
               Catch::WithinRel(static_cast<double>(step + 1) / 4 * (1 - static_cast<double>(step) / 100), kRounding));
  CHECK(schedule(4, kTotal).lr_factor == poly()(4, kTotal).lr_factor);
  CHECK(warmup(0, constant())(0, kTotal).lr_factor == 1.0);
}

TEST_CASE("One-cycle has the values of PyTorch's OneCycleLR") {
  // Learning rate and momentum that OneCycleLR(max_lr=0.04, total_steps=11, pct_start=0.3, div_factor=25,
  // final_div_factor=1e4) sets for each step. It rises from step 0 to 2.3, which is no whole one, and falls to step 10.
  const std::vector<std::pair<double, double>> expected{
      {0.0016, 0.95},
      {0.0168936445494, 0.910172800653},
      {0.0384104569889, 0.854139434925},
      {0.0391898627129, 0.852025351319},
      {0.0353790289907, 0.861552473733},
      {0.0290434819719, 0.877391404636},
      {0.0212233083235, 0.896941916959},
      {0.0132023211595, 0.916994465079},
      {0.00629730051198, 0.934257085748},
      {0.00164182172825, 0.945895829263},
      {1.6e-07, 0.95},
  };
  const Schedule schedule = one_cycle();
  for (size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    const SchedulePoint point = schedule(static_cast<int64_t>(step), 11);
    const auto [lr, momentum] = expected[step];
    CHECK_THAT(0.04 * point.lr_factor, Catch::WithinRel(lr, 1e-11));  // the table has twelve digits
    CHECK_THAT(point.momentum.value(), Catch::WithinRel(momentum, 1e-11));
  }
  CHECK(schedule(50, 11).lr_factor == schedule(10, 11).lr_factor);
}

TEST_CASE("One-cycle can leave momentum alone, and one step is the last one") {
  CHECK_FALSE(one_cycle({.cycle_momentum = false})(3, 11).momentum.has_value());
  CHECK_THAT(one_cycle()(0, 1).lr_factor, Catch::WithinRel(1 / 25e4, kRounding));
}

TEST_CASE("Schedules by name read their own options") {
  CHECK(schedule_names() == std::vector<std::string>{"constant", "poly", "step", "multistep", "cosine", "onecycle"});
  const ScheduleOptions options{.power = 3, .every = 7, .milestones = {5, 50}, .gamma = 0.5, .last = 0.25, .warmup = 2};
  const auto same = [&](const std::string& name, const Schedule& expected) {
    const Schedule schedule = make_schedule(name, options), with_warmup = warmup(2, expected);
    for (int64_t step = 0; step < kTotal; ++step)
      if (schedule(step, kTotal).lr_factor != with_warmup(step, kTotal).lr_factor) return false;
    return true;
  };
  CHECK(same("constant", constant()));
  CHECK(same("poly", poly(3)));
  CHECK(same("step", step_decay(7, 0.5)));
  CHECK(same("multistep", multistep({5, 50}, 0.5)));
  CHECK(same("cosine", cosine(0.25)));
  CHECK(same("onecycle", one_cycle()));
}

TEST_CASE("Schedules refuse what makes no sense") {
  CHECK_THROWS_WITH(make_schedule("linear"),
                    "no schedule 'linear'; there are: constant poly step multistep cosine onecycle");
  CHECK_THROWS_WITH(step_decay(0), "step_decay: needs a positive number of steps, got 0");
  CHECK_THROWS_WITH(multistep({5, 3}), "multistep: milestones must ascend");
  CHECK_THROWS_WITH(one_cycle({.pct_start = 1}), "one_cycle: pct_start must be in (0, 1), got 1");
  CHECK_THROWS_WITH(one_cycle({.div_factor = 0}), "one_cycle: divisors must be positive, got 0, 10000");
  CHECK_THROWS_WITH(warmup(-1, constant()), "warmup: needs a number of steps that is not negative, got -1");
  CHECK_THROWS_WITH(Scheduler(constant(), 0), "scheduler: needs a positive number of steps, got 0");
}

TEST_CASE("A scheduler sets rate and momentum, and goes on where its state was saved") {
  SGD optimizer({scalar_parameter(1.0)}, {.lr = 0.04, .momentum = 0.9});
  Scheduler scheduler(one_cycle(), 11), resumed(one_cycle(), 5);
  for (int step = 0; step < 3; ++step) scheduler.apply(optimizer);
  CHECK(optimizer.lr() == 0.04 * one_cycle()(2, 11).lr_factor);
  CHECK(optimizer.momentum() == one_cycle()(2, 11).momentum);
  CHECK(optimizer.base_lr() == 0.04);
  resumed.load_state(scheduler.state());
  CHECK(resumed.position() == 3);
  resumed.apply(optimizer);
  CHECK(optimizer.lr() == 0.04 * one_cycle()(3, 11).lr_factor);

  Scheduler plain(poly(), 10);
  plain.apply(optimizer);
  CHECK(optimizer.momentum() == one_cycle()(3, 11).momentum);  // poly says nothing about it
}

TEST_CASE("rewound: the last part of a schedule") {
  const Schedule half = rewound(poly(), 0.5);
  CHECK(half(0, 50).lr_factor == poly()(50, 100).lr_factor);
  CHECK(half(49, 50).lr_factor == poly()(99, 100).lr_factor);
  CHECK(rewound(one_cycle(), 1)(3, 20).lr_factor == one_cycle()(3, 20).lr_factor);
  CHECK_THROWS_WITH(rewound(poly(), 0), Catch::Matchers::Contains("share of the schedule in (0, 1], got 0"));
}

TEST_CASE("A scheduler refuses a damaged state and stays as it was") {
  Scheduler scheduler(constant(), 10);
  State state = scheduler.state();
  state["total_steps"] = Tensor::scalar(0, DType::i64);
  CHECK_THROWS_WITH(scheduler.load_state(state),
                    "schedule state: entry 'total_steps' is missing or no whole number from 1");
  state.erase("position");
  CHECK_THROWS_WITH(scheduler.load_state(state),
                    "schedule state: entry 'position' is missing or no whole number from 0");
  CHECK(scheduler.position() == 0);
}
