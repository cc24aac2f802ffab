// kindling train: trains a model into a run folder.
#include <ctime>
#include <filesystem>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/blas_core.h>
#include <kindling/cli/interrupt.h>
#include <kindling/cli/output.h>
#include <kindling/cli/presets.h>
#include <kindling/cli/program.h>
#include <kindling/cli/recipe.h>
#include <kindling/cli/trained_on.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/weights.h>
#include <kindling/nn/lsuv.h>
#include <kindling/tensor/kernels/isa.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/description.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct TrainCommand {
  Everywhere everywhere;
  ModelChoice model;
  DataChoice data;
  Images images;
  Recipe recipe;
  std::string preset, config, out, resume;
  int64_t checkpoint_every = 0, log_every = 100, patience = 0, histograms_every = 0;
  bool tensorboard = false;
  std::optional<RunFacts> resumed;                         ///< of the run that goes on
  bool moved = false;                                      ///< its data, as the command line says
  bool chooses_model = false, chooses_batch_size = false;  ///< as neither the person nor the preset has named one
};

void declare(TrainCommand& options, Settings& settings) {
  settings.group("Run");
  std::string list;
  for (const Preset& preset : presets()) list += fmt::format("\n{}: {}", preset.name, preset.summary);
  settings.add("preset", options.preset, "NAME", "Values for everything not given otherwise:" + list)
      ->check(one_of(preset_names()));
  settings.add("config", options.config, "FILE", "JSON of option values, as config.json of a run");
  settings.add("out", options.out, "RUN", "Run folder (default runs/<date>-<time>)");
  settings.add("resume", options.resume, "RUN", "Go on with a run, as if it had never stopped");
  settings.add("checkpoint-every", options.checkpoint_every, "N", "Updates between checkpoints; 0: at epochs' ends")
      ->check(at_least(0));
  settings.add("log-every", options.log_every, "N", "Updates between lines of metrics.jsonl; 0: at epochs' ends")
      ->check(at_least(0));
  settings.add("patience", options.patience, "N", "Stop after N epochs without a new best; 0: never")
      ->check(at_least(0));
  settings.add_switch("tensorboard", options.tensorboard, "Write event files for TensorBoard");
  settings.add("histograms-every", options.histograms_every, "N", "Epochs between histograms in them; 0: none")
      ->check(at_least(0));
  options.model.declare(settings);
  settings
      .add("conv10-bias", options.model.conv10_bias, "X",
           "Of SqueezeNets: where conv10's bias starts (default 0); 1 keeps its ReLU alive")
      ->check(finite());
  options.data.declare(settings);
  options.recipe.declare(settings);
  options.images.declare(settings);
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// What may be said anew when a run is resumed: nothing that changes what has been trained so far.
const std::vector<std::string> kResumable{
    "resume",           "threads",   "workers",     "strict",           "epochs", "patience",
    "checkpoint-every", "log-every", "tensorboard", "histograms-every", "data"};

void check_is_run(const std::string& run) {
  if (!fs::exists(run)) {
    const std::string folder = (fs::path(run) / "").parent_path().parent_path().string();
    throw FileError(fmt::format("{}: there is no such run; \"ls {}\" shows what is beside it, --out {} begins one", run,
                                shell_word(folder.empty() ? "." : folder), shell_word(run)));
  }
  if (!fs::exists(run + "/config.json")) throw FileError(run + ": is no run folder: it has no config.json");
}

void apply_run_to_resume(TrainCommand& options, Settings& settings) {
  const bool data_is_named = settings.is_set("data");  // on the command line
  for (const std::string& name : settings.names_set())
    if (!contains(kResumable, name))
      throw UsageError(fmt::format("--{} cannot be changed when a run is resumed; only --{} can", name,
                                   fmt::join(kResumable.begin() + 1, kResumable.end(), ", --")));
  check_is_run(options.resume);
  const std::string source = options.resume + "/config.json";
  nlohmann::json config = RunFolder::read_config(options.resume);
  options.resumed = RunFacts::take_from(config, source);
  settings.apply(config, source, Layer::run);
  options.out = options.resume;
  if (const std::string last = options.out + "/last.ckpt"; fs::exists(last))
    options.images.described = read_description(last).preprocessing;
  options.moved = data_is_named;
  if (const int64_t done = RunFolder::epochs_done(options.out); options.recipe.epochs < done)
    throw UsageError(fmt::format("--epochs {}: {} has done {} already", options.recipe.epochs, options.out, done));
}

void apply_config_file(const TrainCommand& options, Settings& settings) {
  nlohmann::json config;
  try {
    config = nlohmann::json::parse(read_file(options.config));
  } catch (const nlohmann::json::parse_error& error) {
    throw FileError(fmt::format("{}: byte {}: is not JSON", options.config, error.byte));
  } catch (const nlohmann::json::exception&) {
    throw FileError(options.config + ": holds a number that is too large");
  }
  if (!config.is_object()) throw FileError(options.config + ": is not a JSON object of option values");
  for (const char* key : {"resume", "config"})
    if (config.contains(key))
      throw UsageError(
          fmt::format("{}: \"{}\" can be said on the command line alone, by --{}", options.config, key, key));
  // The config.json of a run holds every option: those that had no effect are not the user's words.
  const Layer layer = config.contains("machine") ? Layer::run : Layer::config_file;
  RunFacts::take_from(config, options.config);
  settings.apply(config, options.config, layer);
}

/// Who says nothing about what to train gets `shapes`, who has a folder of pictures and no other recipe `photos`.
std::string default_preset(const TrainCommand& options, const Settings& settings) {
  if (!options.config.empty() || settings.is_set("preset")) return options.preset;
  if (options.data.data.starts_with("folder:")) return "photos";
  return settings.is_set("model") || settings.is_set("data") ? "" : "shapes";
}

/// What weights to begin with are for: the model and its inputs. The classes are those of the data.
void apply_description(TrainCommand& options, Settings& settings) {
  const std::optional<RunFacts> facts = apply_description_of(options.model.weights, settings, {"classes"});
  if (facts) options.images.described = facts->preprocessing;
}

/// Command line over run or --config over the checkpoint of --weights over --preset over defaults.
void apply_layers(TrainCommand& options, Settings& settings) {
  if (!options.resume.empty()) return apply_run_to_resume(options, settings);
  if (!options.config.empty()) apply_config_file(options, settings);
  options.preset = default_preset(options, settings);
  if (!options.model.weights.empty()) apply_description(options, settings);
  const std::vector<std::string> named = settings.names_set();
  if (options.preset.empty()) return;
  nlohmann::json values = find_preset(options.preset).values_beside(named);
  if (!options.model.is_squeezenet()) values.erase("conv10_bias");
  settings.apply(values, "preset " + options.preset, Layer::preset);
  options.chooses_model = options.preset == "photos" && !settings.is_set("model");
  options.chooses_batch_size = !contains(named, "batch-size");
}

/// What preset photos takes from the pictures themselves, where nobody has named it: the size, up to 128 pixels; the
/// CIFAR form of the model for small ones; and crops as large as the pictures allow.
void choose_by_pictures(TrainCommand& options, const data::InputInfo& input) {
  constexpr int64_t kLargest = 128, kStep = 32, kSmall = 48;  // pixels
  ModelChoice& model = options.model;
  const int64_t fits = input.is_square() ? input.shorter_side : input.shorter_side / kStep * kStep;
  const int64_t size = model.size > 0 ? model.size : std::clamp(fits, kStep, kLargest);
  if (options.chooses_model) model.model = size < kSmall ? "squeezenet_cifar" : "squeezenet1_1";
  if (model.info().any_size && size >= model.info().smallest_size) model.size = size;
  if (!options.recipe.augment.empty()) return;
  const bool much_larger = 2 * input.shorter_side >= 3 * size;
  options.recipe.augment = {input.size && !much_larger ? "pad-crop" : "resized-crop", "flip"};
}

/// As far as it is known before the data: see also complete().
void check_effects(const TrainCommand& options, const Settings& settings) {
  const bool histograms = options.tensorboard || options.histograms_every == 0;
  settings.check_effects({{"histograms-every", histograms, "without --tensorboard: they are part of its event files"}});
  settings.check_effects(options.data.effects());
  settings.check_effects(options.recipe.effects());
  const bool new_weights = options.model.weights.empty();
  const std::string why = "beside --weights, which says what to begin with";
  settings.check_effects({{"init", new_weights, why}, {"conv10-bias", new_weights, why}});
}

/// What RunFolder would refuse later on, in the words of the command line.
void check_holds_no_run(const TrainCommand& options) {
  if (options.resume.empty() && !options.out.empty() && RunFolder::holds_run(options.out))
    throw FileError(
        fmt::format("{}: holds a run already: go on with it by --resume {}, or name another folder by --out",
                    options.out, shell_word(options.out)));
}

/// Makes runs/<date>-<time>, or the same with a number: another run may begin in the same second.
std::string claim_new_run() {
  std::error_code error;
  fs::create_directories("runs", error);
  const std::string name = fmt::format("runs/{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr)));
  std::string run = name;
  for (int i = 2; !error && !fs::create_directory(run, error); ++i) run = fmt::format("{}-{}", name, i);
  if (error) throw FileError(run + ": cannot be made: " + error.message());
  return run;
}

/// Fills what the options leave open from the data.
RunFacts complete(TrainCommand& options, const Settings& settings, const data::Splits& data,
                  const data::InputInfo& input) {
  const RunFacts facts{.channels = input.channels, .class_names = data.train->classes()};
  if (options.resumed) options.resumed->check_same(facts, options.data.data);
  if (options.preset == "photos" && !options.resumed) choose_by_pictures(options, input);
  options.model.complete(static_cast<int64_t>(facts.class_names.size()), input);
  if (options.chooses_batch_size) options.recipe.batch_size = std::min(options.recipe.batch_size, data.train->size());
  if (options.recipe.batch_size > data.train->size())
    throw UsageError(fmt::format("--batch-size {0} is larger than the training set of {1} images: use {1} or less",
                                 options.recipe.batch_size, data.train->size()));
  if (options.patience > 0 && data.val == nullptr)
    throw UsageError("--patience has no effect: no images are held out to judge an epoch by (see --val-share)");
  options.recipe.complete(input);
  settings.check_effects(options.recipe.effects());
  options.recipe.drop_what_has_no_effect();
  if (const int64_t early = options.recipe.early_size; early > 0) {
    if (!options.model.info().any_size)
      throw UsageError("--early-size: " + options.model.model + " takes images of the size that it was made for alone");
    options.model.check_size("early-size", early);
  }
  options.images.complete(input.channels);
  options.data.make_absolute();
  options.model.weights = absolute_path(options.model.weights);
  return facts;
}

/// For config.json: every option and the facts.
nlohmann::json config_of(const Settings& settings, const RunFacts& facts) {
  nlohmann::json config = settings.values();
  for (const char* key : {"out", "resume", "config"}) config.erase(key);  // where, not what
  config.update(facts.to_json());
  return config;
}

/// Whether the run goes on from a checkpoint: one that died before its first begins as a new one does.
bool has_checkpoint(const TrainCommand& options) {
  return !options.resume.empty() && fs::exists(options.out + "/last.ckpt");
}

std::unique_ptr<Module> make_model(const TrainCommand& options, int64_t channels) {
  Rng rng(options.everywhere.seed);
  return has_checkpoint(options) ? options.model.make(rng, channels) : options.model.load(rng, channels);
}

/// Has the first weights fit the first images, where the recipe says so and they come from nowhere else.
void initialize(const TrainCommand& options, Module& model, const data::Splits& data,
                const data::Transform& transform) {
  if (options.recipe.init != "lsuv" || has_checkpoint(options) || !options.model.weights.empty()) return;
  const int64_t images = std::min(options.recipe.batch_size, data.train->size());
  data::Loader loader(data.train, {.batch_size = images,
                                   .shuffle = true,
                                   .seed = options.everywhere.seed,
                                   .transform = transform,
                                   .workers = 0,
                                   .strict = options.data.strict,
                                   .cache_bytes = 0});
  loader.start(0);
  scale_to_unit_variance(model, loader.next().input);
}

std::string introduction(const TrainCommand& options, Module& model, const data::Splits& data) {
  const auto count = [](const data::DatasetPtr& set) { return with_commas(set ? set->size() : 0); };
  std::string text = fmt::format(
      "{} ({} parameters), images of {} pixels (--size)\n{}: {} images of {} classes, {} for validation",
      options.model.model, with_commas(model.parameter_count()), options.model.size, printable(options.data.data),
      count(data.train), options.model.classes, data.val ? count(data.val) : "none");
  if (data.test) text += fmt::format(", {} for the test", count(data.test));
  text +=
      fmt::format("\n{}, {}; run folder {}", counted(num_threads(), "thread"), name_of(isa()), printable(options.out));
  const std::string advice = blas_advice();
  return advice.empty() ? text : text + "\nnote: " + advice;
}

/// What a run that goes on was trained on so far; nothing for a new one, and if its checkpoint does not say.
std::optional<TrainedOn> trained_on_so_far(const TrainCommand& options) {
  return has_checkpoint(options) ? read_trained_on(options.out + "/last.ckpt") : std::nullopt;
}

/// Data that has moved must be the same. What differs in data that has changed where it lies; "" if nothing does.
std::string check_same_data(const TrainCommand& options, const std::optional<TrainedOn>& before, const TrainedOn& now) {
  if (options.moved && !has_checkpoint(options))
    throw UsageError(
        fmt::format("--data: {} has no checkpoint to go on from; begin anew on {} with kindling train --data, in "
                    "another folder",
                    options.out, options.data.data));
  if (options.moved && !before)
    throw UsageError(
        fmt::format("--data: {}/last.ckpt does not say what it was trained on, so it cannot be told whether "
                    "{} is the same; move the data back to where it was",
                    options.out, options.data.data));
  const std::string changed = before ? difference(*before, now) : "";
  if (options.moved && !changed.empty())
    throw Error(fmt::format("--data {}: is not the data of the run {}: {}", options.data.data, options.out, changed));
  return changed;
}

/// Tells what has changed in the data of a run. Throws Error if there are more or fewer images to train on, with which
/// it cannot go on.
void tell_of_change(const TrainCommand& options, const std::string& changed, int64_t images,
                    TerminalProgress& progress) {
  if (changed.empty()) return;
  const std::string what = options.data.data + " has changed since the run began, so it ";
  if (const int64_t before = RunFolder::samples(options.out).value_or(images); before != images)
    throw Error(
        fmt::format("{}cannot go on: {} ({} images to train on, {} then); put them back, or begin anew in "
                    "another folder (--out) with --weights {}",
                    what, changed, images, before, shell_word(options.out + "/last.ckpt")));
  progress.on_note(what + "goes on otherwise than it would have: " + changed);
}

TrainResult fit(TrainCommand& options, const Settings& settings, TerminalProgress& progress) {
  const std::optional<TrainedOn> before = trained_on_so_far(options);
  data::OpenOptions how = options.data.open_options(options.everywhere.seed);
  if (before && before->folder && !how.labels.empty())
    how.classes = before->folder->classes;  // the file may have moved
  if (!options.resume.empty() && !options.moved) check_not_moved(options.data.data);
  const data::Splits data = data::open_dataset(options.data.data, how);
  const TrainedOn now = describe_data(options.data.data, how, *data.train);
  const std::string changed = check_same_data(options, before, now);
  const data::InputInfo input = data::describe_inputs(*data.train);
  const RunFacts facts = complete(options, settings, data, input);
  tell_of_change(options, changed, data.train->size(), progress);
  const std::unique_ptr<Module> model = make_model(options, input.channels);
  const Recipe& recipe = options.recipe;
  const int64_t size = options.model.size;
  const data::Transform train_transform = recipe.train_transform(size, input, options.images);
  initialize(options, *model, data, train_transform);
  Trainer trainer(*model, recipe.make_optimizer(*model),
                  {.schedule = recipe.make_schedule(data.train->size()),
                   .batch_size = recipe.batch_size,
                   .accumulate = recipe.accumulate,
                   .micro_batch = recipe.micro_batch,
                   .clip_norm = recipe.clip_norm,
                   .loss = classification({.label_smoothing = recipe.label_smoothing}),
                   .drop_last = recipe.drop_last,
                   .preprocessing = options.images.preprocessing(size, input),
                   .train_transform = train_transform,
                   .early_transform = recipe.early_transform(size, input, options.images),
                   .early_epochs = recipe.early_epochs,
                   .seed = options.everywhere.seed});
  if (options.out.empty()) options.out = claim_new_run();  // last, as what fails before leaves no folder then
  const Interrupt interrupt;
  progress.print(introduction(options, *model, data));
  return trainer.fit(data.train, data.val,
                     {.epochs = recipe.epochs,
                      .run = options.out,
                      .resume = !options.resume.empty(),
                      .checkpoint_every = options.checkpoint_every,
                      .log_every = options.log_every,
                      .patience = options.patience,
                      .test = data.test,
                      .workers = options.data.workers,
                      .strict = options.data.strict,
                      .config = config_of(settings, facts),
                      .about_data = data::to_json(now),
                      .tensorboard = options.tensorboard,
                      .histograms_every = options.histograms_every,
                      .listener = &progress,
                      .stop = interrupt.requested()});
}

Json to_json(const TrainResult& result) {
  constexpr const char* kEnds[] = {"finished", "early_stopped", "stopped"};
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  return {{"run", result.run},
          {"end", kEnds[static_cast<int>(result.end)]},
          {"epochs", result.epochs},
          {"steps", result.steps},
          {"train_loss", result.epochs > 0 ? Json(result.train_loss) : Json()},
          {"val_loss", or_null(result.val_loss)},
          {"val_top1", or_null(result.val_top1)},
          {"val_top5", or_null(result.val_top5)},
          {"best_epoch", result.best_epoch},
          {"best_val_top1", or_null(result.best)},
          {"test_loss", or_null(result.test_loss)},
          {"test_top1", or_null(result.test_top1)},
          {"test_top5", or_null(result.test_top5)},
          {"images_per_second", result.images_per_second},
          {"peak_rss_mb", result.peak_rss_mb}};
}

/// How to measure the model on what it was not trained on.
std::string advice(const TrainCommand& options, const TrainResult& result) {
  const std::string command = "kindling eval --weights " + shell_word(result.run + "/best.ckpt") + " --data ";
  const std::string spec = shell_word(options.data.data);
  if (result.validation) return "measure with: " + command + spec;
  const std::string nothing = "nothing was held out, so best.ckpt is the last epoch's; ";
  if (result.test) return nothing + "measure on the test part with: " + command + spec;
  return nothing + "measure on other images with: " + command + "folder:PATH";
}

void print_result(const TrainCommand& options, const TrainResult& result) {
  const Style style(1);
  const auto top5 = [](const std::optional<double>& value) { return value ? ", top-5 " + percent(value) : ""; };
  if (result.end == TrainEnd::early_stopped) print("stopped early: no better epoch since {}\n", result.best_epoch);
  if (result.val_top1 && result.best)
    print("best.ckpt  epoch {}: validation top-1 {}\n", result.best_epoch, style.bold(percent(result.best)));
  if (result.val_top1)
    print("last.ckpt  epoch {}: validation top-1 {}{}\n", result.epochs, percent(result.val_top1),
          top5(result.val_top5));
  if (result.test_top1)
    print("           on test/: top-1 {}{}\n", style.bold(percent(result.test_top1)), top5(result.test_top5));
  if (result.images_per_second > 0)
    print("{:.0f} images/s, at most {:.0f} MB of memory\n", result.images_per_second, result.peak_rss_mb);
  print("curves are in {}/curves.svg\n{}\n", printable(result.run), printable(advice(options, result)));
}

/// What keeps networks alive, as far as it has not been tried.
std::string advice_for_the_dead(const TrainCommand& options) {
  std::vector<std::string> ways;
  if (options.recipe.init != "lsuv") ways.push_back("--init lsuv");
  if (options.model.is_squeezenet() && !options.model.conv10_bias) ways.push_back("--conv10-bias 1");
  if (options.model.is_squeezenet() && options.model.norm == "none") ways.push_back("--norm batch");
  if (options.recipe.warmup == 0 && options.recipe.schedule != "onecycle") ways.push_back("--warmup 100");
  if (options.recipe.clip_norm == 0) ways.push_back("--clip-norm 1");
  ways.push_back(fmt::format("a smaller --lr than {}", *options.recipe.lr));
  return fmt::format("Try {}.{}", fmt::join(ways, ", or "),
                     options.preset == "photos" ? "" : " --preset photos has what keeps it alive.");
}

int run(TrainCommand& options, Settings& settings) {
  apply_layers(options, settings);
  check_effects(options, settings);
  check_holds_no_run(options);
  options.everywhere.use_threads();
  TerminalProgress progress(options.everywhere.quiet);
  TrainResult result;
  try {
    result = fit(options, settings, progress);
  } catch (const DivergedError& error) {
    throw Error(fmt::format("{}\n  A smaller --lr, or --clip-norm 1, may help.", error.what()));
  } catch (const DeadNetworkError& error) {
    throw Error(fmt::format("{}\n  {}", error.what(), advice_for_the_dead(options)));
  }
  progress.finish();
  const bool stopped = result.end == TrainEnd::stopped;
  if (options.everywhere.json)
    print_json(to_json(result));
  else if (!stopped)
    print_result(options, result);
  if (stopped)
    say(fmt::format("stopped after step {}; go on with: kindling train --resume {}\n", result.steps,
                    printable(shell_word(result.run))));
  return stopped ? Interrupt::exit_code() : kDone;
}

}  // namespace

void add_train(Program& program) {
  program.add<TrainCommand>(program.root(), "train",
                            "Trains a model into a run folder; without options, on drawn figures",
                            "kindling train\n"
                            "kindling train --data folder:photos --out runs/photos\n"
                            "kindling train --data folder:photos --model squeezenet1_1 --bypass simple --epochs 30\n"
                            "kindling train --preset cifar --bypass complex --data folder:CIFAR --out runs/complex\n"
                            "kindling train --resume runs/photos",
                            declare, run);
}

}  // namespace kindling::cli
