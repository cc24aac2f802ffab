#include <kindling/train/open_run.h>

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/io/weights.h>

namespace kindling {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Note = std::function<void(const std::string& text)>;

/// The caller's options, or else those known here.
Json config(const Optimizer& optimizer, const TrainerOptions& how, const FitOptions& options) {
  if (!options.config.empty()) return Json::parse(options.config);
  return {{"epochs", options.epochs},       {"batch_size", how.batch_size}, {"accumulate", how.accumulate},
          {"micro_batch", how.micro_batch}, {"clip_norm", how.clip_norm},   {"drop_last", how.drop_last},
          {"lr", optimizer.base_lr()},      {"patience", options.patience}, {"seed", how.seed}};
}

/// A run without last.ckpt starts from the beginning, unless it has finished an epoch. An epoch's
/// end writes last.ckpt first. So here the file was lost, and a new start would overwrite what was
/// trained.
void begin_anew(const RunFolder& folder, const Note& note) {
  const std::string& run = folder.path();
  const std::string metrics = read_file(run + "/metrics.jsonl");
  const bool ended_epoch = metrics.find("\"val_loss\"") != std::string::npos;
  const auto lines = ended_epoch ? std::count(metrics.begin(), metrics.end(), '\n') : 0;
  const bool has_best = fs::exists(folder.best_checkpoint());
  if (has_best || lines > 0)
    throw FileError(
        run + ": has no last.ckpt, but " + (has_best ? "best.ckpt" : "") + (has_best && lines > 0 ? " and " : "") +
        (lines > 0 ? "metrics.jsonl with " + std::to_string(lines) + " lines" : "") +
        ": put last.ckpt back, train in another folder, or move these files away to begin anew in this one");
  note(run + ": has no checkpoint yet, so training starts from the beginning");
}

/// The machine on which the run began; `now` if that is not known. On another instruction set or
/// BLAS kernel the same program gives other bits, and so may another version. That is not wrong,
/// but it is no longer the same run.
Json machine_of(const RunFolder& folder, const Json& now, const Note& note) {
  const std::string path = folder.config_path();
  if (!fs::exists(path)) return now;
  const Json config = RunFolder::read_config(folder.path());
  if (const Json began = config.value("version", Json()); began.is_string() && began != version())
    note("this run began with Kindling " + began.get<std::string>() + ", this is " + version() +
         ": results may differ in their last bits");
  if (!config.contains("machine")) return now;
  const Json& machine = config["machine"];
  for (const char* key : {"isa", "blas"}) {
    if (!machine.is_object() || !machine.contains(key) || !machine[key].is_string())
      throw FileError(path + ": has no machine/" + key + ", which every run writes: was it edited?");
    if (machine[key] != now[key])
      note(std::string("this run began with ") + key + " " + machine[key].get<std::string>() + ", here it is " +
           now[key].get<std::string>() + ": results will differ in their last bits");
  }
  return machine;
}

/// Checks that there is room for last.ckpt and best.ckpt, unless they exist, and for one temporary
/// file.
void check_space(const RunFolder& folder, TrainingState& state) {
  constexpr int64_t kRest = 100'000;  // names, positions, config.json, a first picture of the curves
  int64_t bytes = kRest + state.optimizer.moment_bytes();
  for (const NamedTensor& tensor : named_tensors(state.model))
    bytes += tensor.value.numel() * size_of(tensor.value.dtype());
  const bool makes_last = !fs::exists(folder.last_checkpoint());
  const bool makes_best = !fs::exists(folder.best_checkpoint());
  folder.check_space(bytes, 1 + (makes_last ? 1 : 0) + (makes_best ? 1 : 0));
}

/// Removes the events after the checkpoint from the event files, because they will come again.
std::unique_ptr<EventWriter> open_events(const RunState& run, const FitOptions& options) {
  const auto comes_again = [&run](int64_t step, const std::string& tag) {
    const bool ends_epoch = !tag.starts_with("train/");
    return step > run.step || (step == run.step && ends_epoch && run.batch > 0);
  };
  if (options.resume) cut_events(options.run, comes_again);
  return std::make_unique<EventWriter>(options.run, run.step + 1);
}

}  // namespace

OpenRun open_run(TrainingState& state, const TrainerOptions& how, const FitOptions& options, const Note& note) {
  if (options.tensorboard && !options.resume && !RunFolder::holds_run(options.run)) refuse_events(options.run);
  auto folder =
      std::make_unique<RunFolder>(options.run, options.resume ? RunFolder::Open::resume : RunFolder::Open::create);
  Json machine = describe_machine();  // on which the run begins, or began
  if (const std::string last = folder->last_checkpoint(); options.resume && fs::exists(last)) {
    machine = machine_of(*folder, machine, note);
    state.load(last);
  } else if (options.resume) {
    begin_anew(*folder, note);
  }
  check_space(*folder, state);
  folder->cut_metrics(state.run.metrics_lines);
  const bool known = options.resume && options.config.empty() && fs::exists(folder->config_path());
  if (!known) folder->write_config(config(state.optimizer, how, options), machine);
  return {.folder = std::move(folder), .events = options.tensorboard ? open_events(state.run, options) : nullptr};
}

}  // namespace kindling
