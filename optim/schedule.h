// Learning-rate schedules: functions of the step's number.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <kindling/optim/optimizer.h>

namespace kindling {

/// What a schedule says about one step.
struct SchedulePoint {
  double lr_factor = 1.0;               ///< times the optimiser's base learning rate
  std::optional<double> momentum = {};  ///< none: left as it is
};

/// A function of (step, total steps). The first step is 0, and total > 0. Beyond the total it keeps
/// its last value.
using Schedule = std::function<SchedulePoint(int64_t step, int64_t total_steps)>;

/// 1
Schedule constant();
/// (1 - step / total)^power; the paper's has power 1.
Schedule poly(double power = 1.0);
/// gamma^floor(step / every)
Schedule step_decay(int64_t every, double gamma = 0.1);
/// gamma^(number of milestones <= step); milestones in ascending order.
Schedule multistep(std::vector<int64_t> milestones, double gamma = 0.1);
/// last + (1 - last) (1 + cos(pi step / total)) / 2 (Loshchilov and Hutter, arXiv:1608.03983,
/// equation 5, one period).
Schedule cosine(double last = 0.0);

struct OneCycleOptions {
  double pct_start = 0.3;         ///< share of the steps in which the rate rises
  double div_factor = 25.0;       ///< starts at 1 / div_factor
  double final_div_factor = 1e4;  ///< ends at 1 / (div_factor final_div_factor)
  bool cycle_momentum = true;
  double base_momentum = 0.85;  ///< where the rate is highest
  double max_momentum = 0.95;   ///< at both ends
};
/// Up and down by half cosines. The factor is 1/div_factor at step 0, 1 at step pct_start total -
/// 1, and 1 / (div_factor final_div_factor) at step total - 1. The base learning rate is the
/// maximum. Momentum goes the other way. These are the values of PyTorch's OneCycleLR with
/// anneal_strategy="cos", stepped per batch (Smith and Topin, arXiv:1708.07120).
Schedule one_cycle(const OneCycleOptions& options = {});

/// For the first `steps` steps the rate rises in a line: it is (step + 1) / steps times that of
/// `after`. Then it is that of `after`, which sees the same step numbers throughout (Goyal et al.,
/// arXiv:1706.02677, section 2.2).
Schedule warmup(int64_t steps, Schedule after);

/// The last `share` of a schedule, from the beginning of a run: with it step s of n is step T - n +
/// s of T = n / share, rounded. This is learning-rate rewinding (Renda et al., arXiv:2003.02389),
/// where a pruned network repeats the last part of its training. Throws ShapeError unless 0 < share
/// <= 1.
Schedule rewound(Schedule schedule, double share);

/// What the named schedules can be told; each reads what it needs.
struct ScheduleOptions {
  double power = 1.0;                    ///< poly
  int64_t every = 1;                     ///< step, in steps
  std::vector<int64_t> milestones = {};  ///< multistep, in steps
  double gamma = 0.1;                    ///< step, multistep
  double last = 0.0;                     ///< cosine
  OneCycleOptions one_cycle = {};        ///< onecycle
  int64_t warmup = 0;                    ///< steps before any of them
};
/// "constant", "poly", "step", "multistep", "cosine", "onecycle".
const std::vector<std::string>& schedule_names();
/// Throws Error, listing the names, for an unknown one.
Schedule make_schedule(const std::string& name, const ScheduleOptions& options = {});

/// Drives an optimiser along a schedule: `scheduler.apply(optimizer)` before each optimizer.step().
class Scheduler {
 public:
  /// Throws ShapeError unless total_steps is positive.
  Scheduler(Schedule schedule, int64_t total_steps);

  /// Sets learning rate and momentum for the step to come, and moves on to the next.
  void apply(Optimizer& optimizer);
  /// Steps applied so far.
  int64_t position() const { return position_; }

  /// "position" and "total_steps".
  State state() const;
  /// Throws Error if an entry is missing or not a number that fits.
  void load_state(const State& state);

 private:
  Schedule schedule_;
  int64_t total_steps_;
  int64_t position_ = 0;
};

}  // namespace kindling
