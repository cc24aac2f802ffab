// kindling sweep: the tables and figures of the SqueezeNet paper.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/interrupt.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/report.h>
#include <kindling/cli/sweep/runner.h>
#include <kindling/data/open.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/file_lock.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/gnuplot.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;
using namespace nlohmann::literals;
using Json = nlohmann::ordered_json;

struct SweepCommand {
  Everywhere everywhere;
  std::string experiment, data = "shapes", released, out, resume;
  std::string data_here, released_here;  ///< with their paths made absolute
  int64_t seeds = 3;
  std::optional<int64_t> epochs, train_images;
  int64_t retraining = 3;
  bool full = false;
  int64_t jobs = 0;
};

void declare(SweepCommand& options, Settings& settings) {
  std::vector<std::string> names;
  std::string list = "What to repeat:";
  for (const Experiment& experiment : experiments()) {
    names.push_back(experiment.name);
    list += fmt::format("\n{}: {}", experiment.name, experiment.title);
  }
  settings.group("Sweep");
  settings.add("experiment", options.experiment, "NAME", list)->check(one_of(names));
  settings.add("data", options.data, "SPEC",
               "Images, as for kindling train. The paper has ImageNet; CIFAR-10 can stand in for it");
  settings.add("released", options.released, "FILE",
               "Of table2: the authors' compressed network, which is coded again for its size at 1000 classes");
  settings.add("seeds", options.seeds, "N", "Trainings of each network, with --seed and the seeds after it")
      ->check(at_least(1));
  settings.add("epochs", options.epochs, "N", "Epochs of each training (default 8; with --full 12)")
      ->check(at_least(1));
  settings.add("retraining", options.retraining, "N", "Of table2: epochs after each step of a compression")
      ->check(at_least(1));
  settings
      .add("train-images", options.train_images, "N",
           "Pictures to train on; 0: all (default 20000, or all if there are fewer; with --full all)")
      ->check(at_least(0));
  settings.add_switch("full", options.full, "All pictures, 12 epochs, and the widths of the paper's Figure 3");
  settings.add("jobs", options.jobs, "N", "Trainings side by side; 0: one for every thread, as far as memory allows")
      ->check(at_least(0));
  settings.add("out", options.out, "DIR", "Folder of the sweep (default runs/EXPERIMENT)");
  settings.add("resume", options.resume, "DIR",
               "Go on with a sweep; what is finished is kept. Only --seeds, --jobs and --threads may be given with it");
}

/// Takes every option from the folder. Only those that repeat nothing may be given beside it.
void apply_sweep_to_resume(SweepCommand& options, Settings& settings) {
  for (const std::string& name : settings.names_set())
    if (name != "resume" && name != "jobs" && name != "threads" && name != "seeds")
      throw UsageError(
          fmt::format("--{} cannot be changed when a sweep is resumed; only --seeds, --jobs and --threads can", name));
  const std::string path = RunFolder::config_path(options.resume);
  if (!fs::exists(path)) throw FileError(options.resume + ": holds no sweep: it has no config.json");
  nlohmann::json config = RunFolder::read_config(options.resume);
  if (!config.contains("experiment") || !config.contains("data_here"))
    throw FileError(path + ": is not of a sweep; kindling train --resume goes on with a training");
  options.data_here = config["data_here"].get<std::string>();
  options.released_here = config.value("released_here", "");
  if (config.value("version", "") != version())
    say(fmt::format("note: {} was begun by version {}, this is {}\n", options.resume, config.value("version", "?"),
                    version()));
  if (const std::string begun = config.value("/machine/isa"_json_pointer, ""), here = describe_machine()["isa"];
      begun != here)
    say(fmt::format("note: {} was begun with {}, this is {}: the same seed gives other bits\n", options.resume, begun,
                    here));
  for (const char* key : {"data_here", "released_here", "version", "machine"}) config.erase(key);
  settings.apply(config, path, Layer::run);
  options.out = options.resume;
}

void begin_sweep(SweepCommand& options, const Settings& settings) {
  if (options.experiment.empty()) throw UsageError("--experiment NAME is needed; --help lists them");
  if (options.out.empty()) options.out = "runs/" + options.experiment;
  if (fs::exists(RunFolder::config_path(options.out)))
    throw FileError(
        fmt::format("{}: holds a sweep or a run already: go on with a sweep by --resume {}, or name another "
                    "folder by --out",
                    options.out, shell_word(options.out)));
  const bool compresses = options.experiment == "table2";
  const std::string why = "with --experiment " + options.experiment + ": it is of table2";
  settings.check_effects({{"released", compresses, why}, {"retraining", compresses, why}});
  if (!options.released.empty()) static_cast<void>(open_weights(options.released));
  if (fs::exists(options.out) && !fs::is_directory(options.out))
    throw FileError(options.out + ": is no folder; name another by --out");
  options.data_here = absolute_spec(options.data);
  options.released_here = absolute_path(options.released);
}

void write_config(const SweepCommand& options, const Settings& settings) {
  nlohmann::json config = settings.values();
  for (const char* key : {"resume", "out", "jobs", "threads", "json", "quiet"}) config.erase(key);
  config["data_here"] = options.data_here;
  config["released_here"] = options.released_here;
  RunFolder::write_config(options.out, config, describe_machine());
}

Scale scale_of(const SweepCommand& options) {
  constexpr int64_t kEpochs = 8, kEpochsInFull = 12, kImages = 20'000;
  const data::Splits data = data::open_dataset(options.data_here, {.seed = options.everywhere.seed});
  if (!data.test && !data.val)
    throw UsageError(options.data + " has no images to measure on: test/, val/ or enough of them to hold some out");
  Scale scale{.data = options.data,
              .classes = std::ssize(data.train->classes()),
              .has_test = data.test != nullptr,
              .has_val = data::has_part(options.data_here, "val"),
              .full = options.full,
              .epochs = options.epochs.value_or(options.full ? kEpochsInFull : kEpochs),
              .retraining = options.retraining,
              .released = options.released};
  const bool takes_all = options.full || data.train->size() <= kImages;
  scale.train_images = options.train_images.value_or(takes_all ? 0 : kImages);
  for (int64_t i = 0; i < options.seeds; ++i) scale.seeds.push_back(options.everywhere.seed + static_cast<uint64_t>(i));
  return scale;
}

/// What is free for new processes, in bytes; 0 if that is not known.
int64_t free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (int64_t kilobytes; file >> name >> kilobytes >> unit;)
    if (name == "MemAvailable:") return kilobytes * 1024;
  return 0;
}

/// By default one for every thread: threads that never wait for each other leave no core idle
/// (docs/paper.md has what it wins).
int64_t jobs_of(const SweepCommand& options) {
  constexpr int64_t kOfOne = int64_t{2} << 30;  // AlexNet takes 1.3 GB, all others less
  if (options.jobs > 0) return options.jobs;
  const int64_t most = num_threads(), memory = free_memory();
  return memory > 0 ? std::clamp<int64_t>(memory / kOfOne, 1, most) : most;
}

Json json_of(const std::optional<Mean>& mean) { return mean ? Json(mean->value) : Json(); }

Json error_of(const std::optional<Mean>& mean) { return mean && mean->error ? Json(*mean->error) : Json(); }

Json to_json(const SweepCommand& options, const Experiment& experiment, const std::vector<PointResult>& results) {
  Json points = Json::array(), claims = Json::array();
  for (const PointResult& point : results)
    points.push_back({{"name", point.point->name},
                      {"parameters", point.parameters},
                      {"bytes", point.bytes.value},
                      {"top1", json_of(point.top1)},
                      {"top5", json_of(point.top5)},
                      {"top1_standard_error", error_of(point.top1)},
                      {"top5_standard_error", error_of(point.top5)},
                      {"macs", point.macs ? Json(*point.macs) : Json()},
                      {"parameters_1000_classes", point.of_imagenet ? Json(*point.of_imagenet) : Json()},
                      {"runs", point.point->runs}});
  for (const Claim& claim : experiment.claims(results))
    claims.push_back({{"claim", claim.text}, {"verdict", word_of(claim.verdict)}, {"evidence", claim.evidence}});
  return {{"experiment", experiment.name}, {"out", options.out}, {"points", points}, {"claims", claims}};
}

void print_result(const SweepCommand& options, const Experiment& experiment, const Plan& plan,
                  const std::vector<PointResult>& results) {
  const Style style(1);
  Table table(headings_of(experiment, plan));
  for (const std::vector<std::string>& row : rows_of(experiment, results)) table.add(row);
  print("{}\n", table.text(style));
  for (const Claim& claim : experiment.claims(results))
    print("{}: {} ({})\n", style.bold(word_of(claim.verdict)), claim.text, claim.evidence);
  if (has_one_seed(results)) print("{}\n", about_one_seed(printable(shell_word(options.out))));
  print("\nthe tables, commands and the plot are in {}\n", printable(options.out));
}

int run(SweepCommand& options, Settings& settings) {
  if (options.resume.empty())
    begin_sweep(options, settings);
  else
    apply_sweep_to_resume(options, settings);
  run_gnuplot("");  // it is needed in the end
  const Experiment& experiment = find_experiment(options.experiment);
  const Plan plan = experiment.plan(scale_of(options));
  fs::create_directories(options.out);
  constexpr double kPatience = 10;  // seconds, in which the commands of a killed sweep end
  const FileLock lock(options.out + "/lock", options.out, kPatience);
  write_config(options, settings);
  if (!options.everywhere.quiet)
    say(fmt::format("{}: {} on {}, {} at a time; tables and runs go to {}\n", experiment.title,
                    counted(std::ssize(plan.runs), "run"), printable(options.data), jobs_of(options),
                    printable(options.out)));
  const Interrupt interrupt;
  Runner runner(plan,
                {.folder = options.out,
                 .places = {{options.data, options.data_here}, {options.released, options.released_here}},
                 .jobs = jobs_of(options),
                 .lock = lock.descriptor(),
                 .threads = num_threads(),
                 .quiet = options.everywhere.quiet},
                interrupt.requested());
  if (!runner.run()) {
    say(fmt::format("stopped; go on with: kindling sweep --resume {}\n", printable(shell_word(options.out))));
    return Interrupt::exit_code();
  }
  const std::vector<PointResult> results = collect(options.out, plan);
  write_report(options.out, experiment, plan, results);
  if (options.everywhere.json)
    print_json(to_json(options, experiment, results));
  else
    print_result(options, experiment, plan, results);
  return kDone;
}

}  // namespace

void add_sweep(Program& program) {
  program.add<SweepCommand>(program.root(), "sweep", "Repeats the paper's tables and figures",
                            "kindling sweep --experiment table3 --data cifar10:CIFAR\n"
                            "kindling sweep --experiment figure3a --data folder:CIFAR --seeds 1 --out runs/figure3a\n"
                            "kindling sweep --resume runs/figure3a",
                            declare, run);
}

}  // namespace kindling::cli
