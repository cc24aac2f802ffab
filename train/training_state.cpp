#include <kindling/train/training_state.h>

#include <bit>
#include <cmath>

#include <kindling/data/loader.h>
#include <kindling/io/checkpoint.h>
#include <kindling/tensor/kernels/tasks.h>

namespace kindling {
namespace {

Tensor whole(int64_t value) {
  Tensor result = Tensor::empty({}, DType::i64);
  *result.data<int64_t>() = value;  // Tensor::scalar takes a double, which has 53 bits
  return result;
}

Tensor real(double value) { return Tensor::scalar(value, DType::f64); }

void put(State& state, const std::string& name, const Totals& totals) {
  state[name + "_samples"] = whole(totals.samples);
  state[name + "_loss"] = real(totals.loss);
  state[name + "_weight"] = real(totals.weight);
  state[name + "_classes"] = whole(totals.classes);
  state[name + "_hits1"] = whole(totals.hits1);
  state[name + "_hits5"] = whole(totals.hits5);
}

// More than a run can count, and far from an overflow.
constexpr int64_t kMany = int64_t{1} << 53;

/// A whole number from 0 to `largest`.
int64_t count(const State& state, const std::string& name, int64_t largest = kMany) {
  const auto value = scalar<int64_t>(state, name);
  if (value < 0 || value > largest)
    throw Error(name + " is " + std::to_string(value) + ", it must be from 0 to " + std::to_string(largest));
  return value;
}

Totals get(const State& state, const std::string& name) {
  return {.samples = count(state, name + "_samples"),
          .loss = scalar<double>(state, name + "_loss"),
          .weight = scalar<double>(state, name + "_weight"),
          .classes = count(state, name + "_classes"),
          .hits1 = count(state, name + "_hits1"),
          .hits5 = count(state, name + "_hits5")};
}

State identity_entries(const RunIdentity& identity) {
  return {{"batch_size", whole(identity.batch_size)},
          {"accumulate", whole(identity.accumulate)},
          {"drop_last", whole(identity.drop_last)},
          {"samples", whole(identity.samples)},
          {"seed", whole(std::bit_cast<int64_t>(identity.seed))}};
}

void check_identity(const State& state, const RunIdentity& identity) {
  for (const auto& [name, value] : identity_entries(identity)) {
    const auto now = value.item<int64_t>(), then = scalar<int64_t>(state, name);
    if (now != then) throw Error(name + " is " + std::to_string(now) + ", the run began with " + std::to_string(then));
  }
}

}  // namespace

int64_t RunIdentity::batches_per_epoch() const { return data::batch_count(samples, batch_size, drop_last); }

int64_t RunIdentity::updates_per_epoch() const { return ceil_div(batches_per_epoch(), accumulate); }

void RunState::count_update(const Totals& totals) {
  ++step;
  epoch_totals.add(totals);
  logged_totals.add(totals);
}

bool RunState::take_if_best(const Evaluation& validation) {
  const double value = validation.top1.value_or(validation.loss);
  if (!std::isfinite(value)) return false;
  if (best.value && (validation.top1 ? value <= *best.value : value >= *best.value)) return false;
  best = {.value = value, .epoch = epoch + 1};
  return true;
}

void RunState::begin_next_epoch() {
  ++epoch;
  batch = 0;
  epoch_totals = logged_totals = {};
}

State to_state(const RunState& run, const RunIdentity& identity) {
  State state = identity_entries(identity);
  state["epoch"] = whole(run.epoch);
  state["batch"] = whole(run.batch);
  state["step"] = whole(run.step);
  put(state, "epoch", run.epoch_totals);
  put(state, "logged", run.logged_totals);
  state["train_loss"] = real(run.train_loss);
  if (run.best.value) state["best"] = real(*run.best.value);
  state["best_epoch"] = whole(run.best.epoch);
  state["metrics_lines"] = whole(run.metrics_lines);
  return state;
}

RunState from_state(const State& state, const RunIdentity& identity) {
  check_identity(state, identity);
  RunState run{.epoch = count(state, "epoch"),
               .batch = count(state, "batch", identity.batches_per_epoch()),
               .step = count(state, "step"),
               .epoch_totals = get(state, "epoch"),
               .logged_totals = get(state, "logged"),
               .train_loss = scalar<double>(state, "train_loss"),
               .best = {.epoch = count(state, "best_epoch")},
               .metrics_lines = count(state, "metrics_lines")};
  if (state.contains("best")) run.best.value = scalar<double>(state, "best");
  return run;
}

void TrainingState::save(const std::string& path, const Metadata& about) const {
  save_checkpoint(path, model,
                  {{"optimizer", optimizer.state()}, {"schedule", scheduler.state()}, {"run", to_state(run, identity)}},
                  about);
}

void TrainingState::load(const std::string& path) {
  States states = load_checkpoint(path, model);
  try {
    run = from_state(states["run"], identity);
    optimizer.load_state(states["optimizer"]);
    states["schedule"]["total_steps"] = scheduler.state().at("total_steps");
    scheduler.load_state(states["schedule"]);
  } catch (const FileError&) {
    throw;
  } catch (const Error& error) {
    throw FileError(path + ": cannot be resumed: " + error.what());
  }
}

}  // namespace kindling
