#include <kindling/cli/options.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/data/files.h>
#include <kindling/interop/weights.h>
#include <kindling/models/definition.h>
#include <kindling/nn/freeze.h>
#include <kindling/tensor/conv.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/printable.h>
#include <kindling/train/run_folder.h>

namespace kindling::cli {
namespace {

namespace fs = std::filesystem;

/// Position of `word` in a list that its option has been checked against.
template <class Enum>
Enum choose(const std::string& word, const std::vector<std::string>& words) {
  return static_cast<Enum>(std::find(words.begin(), words.end(), word) - words.begin());
}

const std::vector<std::string> kConvs{"auto", "direct", "im2col", "naive"};

std::string check_data(const std::string& spec) {
  if (spec == "shapes") return "";
  const std::string kind = spec.substr(0, spec.find(':'));
  if (kind != "cifar10" && kind != "mnist" && kind != "folder")
    return fmt::format("there is no \"{}\"; {}", spec,
                       fs::is_directory(fs::path(spec))
                           ? "did you mean folder:" + spec + "?"
                           : "choose one of shapes, cifar10:PATH, mnist:PATH, folder:PATH");
  if (kind.size() + 1 >= spec.size()) return fmt::format("\"{}\" needs a path: {}:PATH", spec, kind);
  return "";
}

/// The size of the model's input if none is asked for. It is that of the data if all images are
/// squares of one size that the model takes, and no larger than what the model was made for or than
/// a small image. Otherwise it is what the model was made for.
int64_t choose_size(const ModelInfo& info, const data::InputInfo& input) {
  constexpr int64_t kSmallImage = 64;
  if (!input.is_square() || info.smallest_size == info.size) return info.size;
  const int64_t size = input.size->h;
  return size >= info.smallest_size && size <= std::max(info.size, kSmallImage) ? size : info.size;
}

// CLI11 would take -1 and what is too large as well, for something else.
std::string check_seed(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  std::strtoull(text.c_str(), &end, 0);
  const bool starts_with_digit = std::isdigit(static_cast<unsigned char>(text[0])) != 0;
  if (starts_with_digit && *end == '\0' && errno == 0) return "";
  return fmt::format("must be a whole number from 0 to 2^64 - 1, not {}", text);
}

void declare_family(SqueezeNetMetaparameters& m, Settings& settings) {
  const std::string of = "Of SqueezeNets: ";
  settings.add("squeeze-ratio", m.sr, "X", of + "squeeze filters per expand filter")->check(above_to(0, 1));
  settings.add("pct3x3", m.pct3x3, "X", of + "share of 3x3 among the expand filters")->check(between(0, 1));
  settings.add("base-e", m.base_e, "N", of + "expand filters of fire2")->check(at_least(1));
  settings.add("incr-e", m.incr_e, "N", of + "more of them, every --freq Fire modules")->check(at_least(0));
  settings.add("freq", m.freq, "N", of + "Fire modules of the same size in a row")->check(at_least(1));
  settings.add("pools", m.pools, "LIST", of + "layers with a max pool behind them, 1 is conv1, 2 to 9 fire2 to fire9")
      ->check(in_range(1, 10));
}

/// Throws FileError for a folder and for a picture, and says what to name instead.
void check_is_weights(const std::string& path) {
  if (data::is_image_name(path))
    throw FileError(path + ": is a picture; --weights takes a checkpoint, as RUN/best.ckpt");
  if (!data::is_folder(path)) return;
  for (const char* name : {"best.ckpt", "last.ckpt"})
    if (const fs::path file = fs::path(path) / name; fs::exists(file))
      throw FileError(fmt::format("{}: is a folder; did you mean {}?", path, file.string()));
  throw FileError(path + ": is a folder without a checkpoint; --weights takes a file, as RUN/best.ckpt");
}

/// Of the pictures that a checkpoint's model takes. Throws FileError naming the file if the
/// description makes no sense.
int64_t channels_in(const std::string& weights, const Description& description) {
  int64_t channels = 0;
  try {
    channels = channels_of(description.model);
  } catch (const Error& error) {
    throw FileError(fmt::format("{}: what it says of its model: {}", weights, error.what()));
  }
  if (const auto& p = description.preprocessing)
    for (const size_t count : {p->mean.size(), p->std.size()})
      if (count != 1 && count != static_cast<size_t>(channels))
        throw FileError(
            fmt::format("{}: what it says of pictures: the mean and std of {} channels, but its model "
                        "takes {}",
                        weights, count, channels));
  return channels;
}

/// As options: those of --size, --mean and --std.
nlohmann::json pixel_options(const data::Preprocessing& p, int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  nlohmann::json values{{"mean", p.mean.size() == 1 ? std::vector<double>(count, p.mean[0]) : p.mean},
                        {"std", p.std.size() == 1 ? std::vector<double>(count, p.std[0]) : p.std}};
  if (p.size > 0) values["size"] = p.size;
  return values;
}

}  // namespace

std::string folder_of(const std::string& file) {
  const fs::path folder = fs::path(file).parent_path();
  return folder.empty() ? "." : folder.string();
}

std::string absolute_path(const std::string& path) {
  return path.empty() ? path : fs::absolute(path).lexically_normal().string();
}

void Everywhere::declare(Settings& settings) {
  settings.group("Everywhere");
  settings.add_flag("json", json, "Print one JSON document instead of text");
  settings.add_flag("quiet", quiet, "Show no progress");
  settings.add("threads", threads, "N", "Threads; 0: OMP_NUM_THREADS, else one per processor")
      ->check(in_range(0, 1025));
  settings.add("seed", seed, "N", "Of everything random")->check(check_seed);
}

void Everywhere::use_threads() const {
  if (threads == 0 || threads == num_threads()) return;
  set_num_threads(threads);
  if (!quiet && threads > num_processors())
    say(fmt::format("note: {} threads on {}: they have to wait for each other, so fewer may be faster\n", threads,
                    counted(num_processors(), "processor")));
}

void ModelChoice::declare_shapes(Settings& settings) {
  settings.group("Model");
  settings.add("model", model, "NAME", fmt::format("{}", fmt::join(model_names(), ", ")))->check(one_of(model_names()));
  settings.add("bypass", bypass, "KIND", "Of SqueezeNets: none, simple, complex")->check(one_of(bypass_words()));
  settings.add("form", form, "FORM", "Whose definition: torchvision, caffe")->check(one_of(form_words()));
  declare_family(metaparameters, settings);
  settings.add("classes", classes, "N", "Outputs; 0: as many as the data or the model has")->check(at_least(0));
  settings.add("size", size, "PX", "Height and width of the input; 0: the data's or the model's")->check(at_least(0));
}

void ModelChoice::declare(Settings& settings) {
  declare_shapes(settings);
  settings.add("norm", norm, "KIND", "Of SqueezeNets: none, or batch normalisation")->check(one_of(norm_words()));
  settings.add("dropout", dropout, "X", "Of SqueezeNets and AlexNets: share of activations left out (default 0.5)")
      ->check(in_range(0, 1));
  settings.add("weights", weights, "FILE",
               "Weights or checkpoint to load: safetensors, PyTorch, Caffe, .npz, .kndz, Deep Compression's .net");
  settings.add("prototxt", prototxt, "FILE", "Of a .caffemodel: by whose names, types and order to take its layers");
  settings.add_switch("partial", partial, "Take from it what fits, and say what does not");
  settings.add("conv", conv, "HOW", "Convolutions: auto (direct or Winograd, by shape), direct, im2col, naive")
      ->check(one_of(kConvs));
}

void ModelChoice::require_model(const Settings& settings) const {
  if (!settings.is_set("model"))
    throw UsageError(weights + " does not say what model it is for: say it by --model, --bypass, --norm and --classes");
}

ModelOptions ModelChoice::options() const {
  return {.classes = classes,
          .size = size,
          .bypass = choose<Bypass>(bypass, bypass_words()),
          .form = choose<Form>(form, form_words()),
          .norm = choose<Norm>(norm, norm_words()),
          .dropout = dropout,
          .conv10_bias = conv10_bias,
          .metaparameters = metaparameters};
}

ModelInfo ModelChoice::info() const {
  try {
    return model_info(model, options());
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

void ModelChoice::check_size(const std::string& option, int64_t pixels) const {
  const int64_t smallest = info().smallest_size;
  if (pixels < smallest)
    throw UsageError(fmt::format("--{} {}: {} needs at least {} pixels", option, pixels, model, smallest));
}

void ModelChoice::complete(int64_t data_classes, const data::InputInfo& input) {
  if (classes == 0) classes = data_classes > 0 ? data_classes : info().classes;
  if (classes < data_classes)
    throw UsageError(fmt::format("--classes {}: the data has {} classes", classes, data_classes));
  if (size == 0) size = choose_size(info(), input);
}

std::unique_ptr<Module> ModelChoice::make(Rng& rng, int64_t channels) const {
  set_conv_algorithm(choose<ConvAlgorithm>(conv, kConvs));
  check_size("size", input_size());
  ModelOptions asked = options();
  asked.channels = channels;
  try {
    return make_model(model, asked, rng);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

std::unique_ptr<Module> ModelChoice::load(Rng& rng, int64_t channels) const {
  if (weights.empty()) return make(rng, channels);
  const WeightsFile& from = file();
  std::unique_ptr<Module> result = make(rng, channels);
  shrink_as_in(*result, from);
  if (finetuned_for) {
    load_for_finetuning(*result);
    return result;
  }
  const LoadReport report = kindling::load(*result, from, {.strict = !partial});
  if (!report.empty()) say(fmt::format("note: {}\n", printable(describe(weights, report))));
  return result;
}

void ModelChoice::load_for_finetuning(Module& to) const {
  const std::string head = head_of(to);
  std::vector<std::pair<Tensor, Tensor>> fresh;  // of the last layer: its own, and what it is now
  for (const auto& [name, parameter] : to.named_parameters())
    if (layer_of(name) == head) fresh.emplace_back(parameter.value(), parameter.value().clone());
  const LoadReport report = kindling::load(to, file(), {.strict = !partial, .except = head});
  const std::vector<std::string> known = file().known ? file().known->description.classes : std::vector<std::string>();
  const bool other_classes = !known.empty() && known != *finetuned_for;
  if (other_classes)
    for (auto& [value, before] : fresh) value.copy_(before);
  if (report.empty() && !other_classes) return say(fmt::format("note: {} is that of {}\n", head, printable(weights)));
  say(fmt::format("note: {} is new, for {} classes: that of {} is for others\n", head, classes, printable(weights)));
  if (partial && !report.empty()) say(fmt::format("note: {}\n", printable(describe(weights, report))));
}

const WeightsFile& ModelChoice::file() const {
  if (!file_) file_ = std::make_shared<WeightsFile>(open_weights(weights, prototxt));
  return *file_;
}

void DataChoice::declare(Settings& settings) {
  settings.group("Data");
  settings.add("data", data, "SPEC", "shapes, cifar10:PATH, mnist:PATH, folder:PATH")->check(check_data);
  settings.add("labels", labels, "FILE", "Line i: folder name of class i, and what to call it");
  settings
      .add("val-share", val_share, "X",
           "Held out where there is no val/ (0.05 of train/, 0.2 of a flat folder); 0: train on everything")
      ->check(in_range(0, 1));
  settings.add("workers", reading.workers, "N", "Background threads that read images")->check(in_range(0, 257));
  settings.add_switch("strict", reading.strict, "Stop at a damaged image instead of skipping and naming it");
  settings.add("max-pixels", max_pixels, "N", "Larger images are refused as damaged")->check(at_least(1));
}

void DataChoice::declare_for_training(Settings& settings) {
  settings
      .add("train-images", train_images, "N",
           "Train on so many images only, as many of each class as possible, the same ones with every --seed; 0: all")
      ->check(at_least(0));
}

std::vector<Effect> DataChoice::effects() const {
  return {{"labels", data.starts_with("folder:"), fmt::format("with --data {}: it is for folder:PATH", data)},
          {"val-share", data != "shapes", "with --data shapes, which draws its validation images"},
          {"val-share", !data::has_part(data, "val"), fmt::format("with --data {}: it has val/", data)}};
}

data::OpenOptions DataChoice::open_options(uint64_t seed) const {
  return {.labels = labels,
          .val_share = val_share,
          .seed = seed,
          .decode = {.max_pixels = max_pixels},
          .train_images = train_images};
}

data::Splits DataChoice::open(const data::OpenOptions& options) const {
  try {
    return data::open_dataset(data, options);
  } catch (const ShapeError& error) {
    throw UsageError(error.what());
  }
}

std::string absolute_spec(const std::string& data) {
  const size_t colon = data.find(':');
  return colon == std::string::npos ? data : data.substr(0, colon + 1) + absolute_path(data.substr(colon + 1));
}

void DataChoice::make_absolute() {
  data = absolute_spec(data);
  labels = absolute_path(labels);
}

nlohmann::json RunFacts::to_json() const { return {{"channels", channels}, {"class_names", class_names}}; }

RunFacts RunFacts::take_from(nlohmann::json& config, const std::string& source) {
  const nlohmann::json channels = config.value("channels", nlohmann::json(0u));
  const nlohmann::json names = config.value("class_names", nlohmann::json::array());
  if (!channels.is_number_unsigned() || channels.get<uint64_t>() > kLargestInteger)
    throw FileError(source + ": \"channels\" is no number of channels");
  const auto is_name = [](const nlohmann::json& name) { return name.is_string(); };
  if (!names.is_array() || !std::all_of(names.begin(), names.end(), is_name))
    throw FileError(source + ": \"class_names\" is no list of names");
  for (const char* key : {"channels", "class_names", "version", "machine", "convolutions"}) config.erase(key);
  return {.channels = channels.get<int64_t>(),
          .class_names = names.get<std::vector<std::string>>(),
          .preprocessing = {},
          .self_described = false,
          .pixels_are_guessed = false};
}

void RunFacts::check_same(const RunFacts& of_data, const std::string& spec) const {
  if (!class_names.empty() && !of_data.class_names.empty() && class_names != of_data.class_names)
    throw Error(
        fmt::format("the classes of {} are not those of the run ({} here, {} there); --labels FILE can give their "
                    "order",
                    spec, fmt::join(of_data.class_names, " "), fmt::join(class_names, " ")));
  if (channels != 0 && channels != of_data.channels)
    throw Error(
        fmt::format("the images of {} have {} channels, those of the run {}", spec, of_data.channels, channels));
}

WeightsFile open_weights(const std::string& path, const std::string& prototxt) {
  check_is_weights(path);
  if (!prototxt.empty() && format_of_name(path) != FileFormat::caffe)
    throw UsageError(fmt::format("--prototxt has no effect: {} is no .caffemodel", path));
  return WeightsFile(path, prototxt);
}

void refuse_several(const std::string& path, const Choices& open) {
  throw UsageError(
      fmt::format("{}: names and shapes of its tensors fit several models: say {}", path, describe(open, "--")));
}

std::optional<RunFacts> apply_description_of(const ModelChoice& model, Settings& settings,
                                             const std::vector<std::string>& without) {
  const std::optional<Recognised>& known = model.file().known;
  if (!known) return std::nullopt;
  if (!known->open.empty() && settings.is_named("model")) return std::nullopt;
  if (!known->open.empty()) refuse_several(model.weights, known->open);
  const Description& description = known->description;
  const int64_t channels = channels_in(model.weights, description);
  nlohmann::json values = description.model.options;
  values["model"] = description.model.model;
  if (const auto& p = description.preprocessing) values.update(pixel_options(*p, channels));
  for (const std::string& name : without) values.erase(name);
  settings.apply(values, model.weights, Layer::run, Settings::Unknown::pass_over);
  return RunFacts{.channels = channels,
                  .class_names = description.classes,
                  .preprocessing = description.preprocessing,
                  .self_described = !known->by_names,
                  .pixels_are_guessed = known->by_names};
}

nlohmann::json config_of_run(const std::string& weights) {
  const std::string run = folder_of(weights);
  if (!fs::exists(run + "/config.json")) return {};
  nlohmann::json config = RunFolder::read_config(run);
  return config.contains("machine") ? config : nlohmann::json();  // else it is another program's
}

std::optional<RunFacts> apply_run_of(const ModelChoice& model, Settings& settings) {
  if (model.weights.empty()) return std::nullopt;
  nlohmann::json config = config_of_run(model.weights);
  if (config.is_null()) return apply_description_of(model, settings);
  const std::string source = folder_of(model.weights) + "/config.json";
  const std::optional<Recognised>& known = model.file().known;
  const bool describes_itself = known && !known->by_names;
  const std::optional<RunFacts> described = describes_itself ? apply_description_of(model, settings) : std::nullopt;
  const RunFacts facts = RunFacts::take_from(config, source);
  config.erase("threads");  // of training
  settings.apply(config, source, Layer::run, Settings::Unknown::pass_over);
  return described ? described : facts;
}

}  // namespace kindling::cli
