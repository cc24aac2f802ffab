#include <kindling/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <utility>

namespace kindling {
namespace {

/// Steps taken as a share of all, in [0, 1].
double progress(int64_t step, int64_t total) {
  return std::clamp(static_cast<double>(step) / static_cast<double>(total), 0.0, 1.0);
}

/// From `from` at t = 0 to `to` at t = 1 by half a cosine.
double half_cosine(double from, double to, double t) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * t));
}

struct NamedSchedule {
  std::string_view name;
  Schedule (*make)(const ScheduleOptions& options);
};
constexpr NamedSchedule kSchedules[] = {
    {"constant", [](const ScheduleOptions&) { return constant(); }},
    {"poly", [](const ScheduleOptions& o) { return poly(o.power); }},
    {"step", [](const ScheduleOptions& o) { return step_decay(o.every, o.gamma); }},
    {"multistep", [](const ScheduleOptions& o) { return multistep(o.milestones, o.gamma); }},
    {"cosine", [](const ScheduleOptions& o) { return cosine(o.last); }},
    {"onecycle", [](const ScheduleOptions& o) { return one_cycle(o.one_cycle); }},
};

/// A whole number, `lowest` or more, of a state.
int64_t integer_entry(const State& state, const std::string& name, int64_t lowest) {
  const auto found = state.find(name);
  const bool fits = found != state.end() && found->second.defined() && found->second.dtype() == DType::i64 &&
                    found->second.numel() == 1 && found->second.item<int64_t>() >= lowest;
  if (!fits)
    throw Error("schedule state: entry '" + name + "' is missing or no whole number from " + std::to_string(lowest));
  return found->second.item<int64_t>();
}

}  // namespace

Schedule constant() {
  return [](int64_t, int64_t) { return SchedulePoint{}; };
}

Schedule poly(double power) {
  return [=](int64_t step, int64_t total) {
    return SchedulePoint{.lr_factor = std::pow(1.0 - progress(step, total), power)};
  };
}

Schedule step_decay(int64_t every, double gamma) {
  check(every > 0, "step_decay", "needs a positive number of steps, got ", every);
  return [=](int64_t step, int64_t total) {
    return SchedulePoint{.lr_factor = std::pow(gamma, static_cast<double>(std::min(step, total) / every))};
  };
}

Schedule multistep(std::vector<int64_t> milestones, double gamma) {
  check(std::is_sorted(milestones.begin(), milestones.end()), "multistep", "milestones must ascend");
  return [milestones = std::move(milestones), gamma](int64_t step, int64_t total) {
    const auto passed =
        std::upper_bound(milestones.begin(), milestones.end(), std::min(step, total)) - milestones.begin();
    return SchedulePoint{.lr_factor = std::pow(gamma, static_cast<double>(passed))};
  };
}

Schedule cosine(double last) {
  return [=](int64_t step, int64_t total) {
    return SchedulePoint{.lr_factor = half_cosine(1.0, last, progress(step, total))};
  };
}

Schedule one_cycle(const OneCycleOptions& o) {
  check(o.pct_start > 0 && o.pct_start < 1, "one_cycle", "pct_start must be in (0, 1), got ", o.pct_start);
  check(o.div_factor > 0 && o.final_div_factor > 0, "one_cycle", "divisors must be positive, got ", o.div_factor, ", ",
        o.final_div_factor);
  return [o](int64_t step, int64_t total) {
    const double last = static_cast<double>(total) - 1.0;
    const double peak =
        o.pct_start * static_cast<double>(total) - 1.0;  // the step of the highest rate, maybe no whole one
    const double first_rate = 1.0 / o.div_factor, last_rate = first_rate / o.final_div_factor;
    const double now = std::min(static_cast<double>(step), last);
    const bool rising = now <= peak;
    const double t = rising ? (peak > 0 ? now / peak : 1.0) : (now - peak) / (last - peak);
    SchedulePoint point{.lr_factor = rising ? half_cosine(first_rate, 1.0, t) : half_cosine(1.0, last_rate, t)};
    if (o.cycle_momentum) {
      point.momentum =
          rising ? half_cosine(o.max_momentum, o.base_momentum, t) : half_cosine(o.base_momentum, o.max_momentum, t);
    }
    return point;
  };
}

Schedule warmup(int64_t steps, Schedule after) {
  check(steps >= 0, "warmup", "needs a number of steps that is not negative, got ", steps);
  return [steps, after = std::move(after)](int64_t step, int64_t total) {
    SchedulePoint point = after(step, total);
    if (step < steps) point.lr_factor *= static_cast<double>(step + 1) / static_cast<double>(steps);
    return point;
  };
}

Schedule rewound(Schedule schedule, double share) {
  check(share > 0 && share <= 1, "rewound", "needs a share of the schedule in (0, 1], got ", share);
  return [share, schedule = std::move(schedule)](int64_t step, int64_t total) {
    const int64_t whole = std::llround(static_cast<double>(total) / share);
    return schedule(whole - total + step, whole);
  };
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const NamedSchedule& entry : kSchedules) result.emplace_back(entry.name);
    return result;
  }();
  return names;
}

Schedule make_schedule(const std::string& name, const ScheduleOptions& options) {
  for (const NamedSchedule& entry : kSchedules) {
    if (entry.name != name) continue;
    Schedule schedule = entry.make(options);
    return options.warmup > 0 ? warmup(options.warmup, std::move(schedule)) : schedule;
  }
  std::string names;
  for (const std::string& known : schedule_names()) names += ' ' + known;
  throw Error("no schedule '" + name + "'; there are:" + names);
}

Scheduler::Scheduler(Schedule schedule, int64_t total_steps)
    : schedule_(std::move(schedule)), total_steps_(total_steps) {
  check(total_steps > 0, "scheduler", "needs a positive number of steps, got ", total_steps);
}

void Scheduler::apply(Optimizer& optimizer) {
  const SchedulePoint point = schedule_(position_, total_steps_);
  optimizer.set_lr(optimizer.base_lr() * point.lr_factor);
  if (point.momentum) optimizer.set_momentum(*point.momentum);
  ++position_;
}

State Scheduler::state() const {
  return {{"position", Tensor::scalar(static_cast<double>(position_), DType::i64)},
          {"total_steps", Tensor::scalar(static_cast<double>(total_steps_), DType::i64)}};
}

void Scheduler::load_state(const State& state) {
  const int64_t position = integer_entry(state, "position", 0);
  total_steps_ = integer_entry(state, "total_steps", 1);
  position_ = position;
}

}  // namespace kindling
