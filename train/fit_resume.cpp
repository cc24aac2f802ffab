// The beginning of a run, new or resumed.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/checkpoint.h>
#include <kindling/train/fit.h>

namespace kindling {

void Fit::open_run() {
  if (!options_.run.empty()) {
    if (options_.tensorboard && !options_.resume && !RunFolder::holds_run(options_.run)) refuse_events(options_.run);
    folder_ =
        std::make_unique<RunFolder>(options_.run, options_.resume ? RunFolder::Open::resume : RunFolder::Open::create);
    nlohmann::json machine = describe_machine();  // on which the run begins, or began
    if (options_.resume) resume(machine);
    check_space();
    folder_->cut_metrics(state_.metrics_lines);
    const bool known = options_.resume && options_.config.empty() && std::filesystem::exists(folder_->config_path());
    if (!known) folder_->write_config(config(), machine);
    if (options_.tensorboard) open_events();
  }
  const int64_t steps = updates_per_epoch() * options_.epochs;
  tell([&](TrainListener& to) { to.on_start(state_.epoch, options_.epochs, state_.step, steps); });
}

/// The caller's options, or else those known here.
nlohmann::json Fit::config() const {
  if (!options_.config.empty()) return nlohmann::json::parse(options_.config);
  return {{"epochs", options_.epochs},       {"batch_size", how_.batch_size}, {"accumulate", how_.accumulate},
          {"micro_batch", how_.micro_batch}, {"clip_norm", how_.clip_norm},   {"drop_last", how_.drop_last},
          {"lr", optimizer_.base_lr()},      {"patience", options_.patience}, {"seed", how_.seed}};
}

/// Loads the state of the run. `machine` becomes the one on which the run began.
void Fit::resume(nlohmann::json& machine) {
  const std::string path = folder_->last_checkpoint();
  if (!std::filesystem::exists(path)) return begin_anew();
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

/// A run without last.ckpt starts from the beginning, unless it has finished an epoch.
/// finish_epoch() writes last.ckpt first. So here the file was lost, and a new start would
/// overwrite what was trained.
void Fit::begin_anew() {
  const std::string metrics = read_file(options_.run + "/metrics.jsonl");
  const bool ended_epoch = metrics.find("\"val_loss\"") != std::string::npos;
  const auto lines = ended_epoch ? std::count(metrics.begin(), metrics.end(), '\n') : 0;
  const bool has_best = std::filesystem::exists(folder_->best_checkpoint());
  if (has_best || lines > 0)
    throw FileError(
        options_.run + ": has no last.ckpt, but " + (has_best ? "best.ckpt" : "") +
        (has_best && lines > 0 ? " and " : "") +
        (lines > 0 ? "metrics.jsonl with " + std::to_string(lines) + " lines" : "") +
        ": put last.ckpt back, train in another folder, or move these files away to begin anew in this one");
  note(options_.run + ": has no checkpoint yet, so training starts from the beginning");
}

/// Checks that there is room for last.ckpt and best.ckpt, unless they exist, and for one temporary
/// file.
void Fit::check_space() const {
  constexpr int64_t kRest = 100'000;  // names, positions, config.json, a first picture of the curves
  int64_t bytes = kRest + optimizer_.moment_bytes();
  for (const NamedTensor& tensor : named_tensors(model_)) bytes += tensor.value.numel() * size_of(tensor.value.dtype());
  const bool makes_last = !std::filesystem::exists(folder_->last_checkpoint());
  const bool makes_best = !std::filesystem::exists(folder_->best_checkpoint());
  folder_->check_space(bytes, 1 + (makes_last ? 1 : 0) + (makes_best ? 1 : 0));
}

/// Removes the events after the checkpoint from the event files, because they will come again.
void Fit::open_events() {
  const auto comes_again = [this](int64_t step, const std::string& tag) {
    const bool ends_epoch = !tag.starts_with("train/");
    return step > state_.step || (step == state_.step && ends_epoch && state_.batch > 0);
  };
  if (options_.resume) cut_events(options_.run, comes_again);
  events_ = std::make_unique<EventWriter>(options_.run, state_.step + 1);
}

/// On another instruction set or BLAS kernel the same program gives other bits. That is not wrong,
/// but it is no longer the same run.
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
