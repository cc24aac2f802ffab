// The beginning of a run, new or resumed.
#include <filesystem>

#include <kindling/io/checkpoint.h>
#include <kindling/train/fit.h>

namespace kindling {

void Fit::open_run() {
  if (!options_.run.empty()) {
    folder_ =
        std::make_unique<RunFolder>(options_.run, options_.resume ? RunFolder::Open::resume : RunFolder::Open::create);
    nlohmann::json machine = describe_machine();  // on which the run begins, or began
    if (options_.resume) resume(machine);
    folder_->cut_metrics(state_.metrics_lines);
    const bool known = options_.resume && options_.config.is_null() && std::filesystem::exists(folder_->config_path());
    if (!known) folder_->write_config(config(), machine);
    if (options_.tensorboard) events_ = std::make_unique<EventWriter>(options_.run, state_.step + 1);
  }
  const int64_t steps = updates_per_epoch() * options_.epochs;
  tell([&](TrainListener& to) { to.on_start(state_.epoch, options_.epochs, state_.step, steps); });
}

/// The caller's options, or else what is known here.
nlohmann::json Fit::config() const {
  if (!options_.config.is_null()) return options_.config;
  return {{"epochs", options_.epochs},       {"batch_size", how_.batch_size}, {"accumulate", how_.accumulate},
          {"micro_batch", how_.micro_batch}, {"clip_norm", how_.clip_norm},   {"drop_last", how_.drop_last},
          {"lr", optimizer_.base_lr()},      {"patience", options_.patience}, {"seed", how_.seed}};
}

/// Takes up the run's state; `machine` becomes that on which it began.
void Fit::resume(nlohmann::json& machine) {
  const std::string path = folder_->last_checkpoint();
  if (!std::filesystem::exists(path)) {
    note(options_.run + ": has no checkpoint yet, so training starts from the beginning");
    return;
  }
  check_machine(machine);
  States states = load_checkpoint(path, model_);
  try {
    state_ = from_state(states["run"], identity_);
    optimizer_.load_state(states["optimizer"]);
    // More epochs than the run began with may be wanted: the schedule then stretches to them.
    states["schedule"]["total_steps"] = scheduler_.state().at("total_steps");
    scheduler_.load_state(states["schedule"]);
  } catch (const FileError&) {
    throw;
  } catch (const Error& error) {
    throw FileError(path + ": cannot be resumed: " + error.what());
  }
}

/// The same program gives other bits on another instruction set or BLAS kernel: not wrong, but no longer the same run.
void Fit::check_machine(nlohmann::json& machine) {
  const std::string path = folder_->config_path();
  if (!std::filesystem::exists(path)) return;
  const nlohmann::json config = RunFolder::read_config(options_.run), now = machine;
  if (!config.contains("machine")) return;
  machine = config["machine"];
  for (const char* key : {"isa", "blas"}) {
    if (!machine.is_object() || !machine.contains(key) || !machine[key].is_string())
      throw FileError(path + ": has no machine/" + key + ", which every run writes: was it edited?");
    if (machine[key] != now[key])
      note(std::string("this run began with ") + key + " " + machine[key].get<std::string>() + ", here it is " +
           now[key].get<std::string>() + ": results will differ in their last bits");
  }
}

}  // namespace kindling
