#include <kindling/cli/compress_options.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/cli/presets.h>
#include <kindling/compress/fold_batch_norm.h>
#include <kindling/data/open.h>
#include <kindling/train/gnuplot.h>

namespace kindling::cli {
namespace {

/// The presets of compress: values by option. Their epochs hold where there are data to retrain on.
const std::vector<Preset>& presets_of_compress() {
  static const std::vector<Preset> all{
      {"deep-compression",
       "Deep Compression (arXiv:1510.00149) as the SqueezeNet paper uses it: a third of the weights is kept, they "
       "share 2^8 - 1 values in each layer, and Huffman's codes hold them",
       {{"density", {"0.33"}},
        {"overall", true},
        {"method", "kmeans"},
        {"bits", {"8"}},
        {"coder", "huffman"},
        {"others", "f16"},
        {"epochs", 5}}},
      {"squeezenet-table1",
       "the same for SqueezeNet v1.0, with the densities of Table 1 in its paper: 421,098 parameters are left",
       {{"density", {"table1"}},
        {"method", "kmeans"},
        {"bits", {"8"}},
        {"coder", "huffman"},
        {"others", "f16"},
        {"epochs", 5}}},
      {"dense-sparse-dense",
       "arXiv:1607.04381: three tenths of the weights are pruned and grow again, which may make the model better; "
       "it does not become smaller",
       {{"density", {"0.7"}}, {"regrow", true}, {"epochs", 5}}},
  };
  return all;
}

double share_in(const std::string& option, const std::string& text, const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0 && value <= 1))
    throw UsageError(fmt::format("--{} {}: a density is above 0 and at most 1; say 0.33 or PATTERN=0.33{}", option,
                                 word, option == "density" ? ", table1 or auto" : ""));
  return value;
}

int64_t bits_in(const std::string& text, const std::string& word) {
  if (text.size() == 1 && text[0] >= '2' && text[0] <= '8') return text[0] - '0';
  throw UsageError(fmt::format("--bits {}: a weight has 2 to 8 bits; say 8 or PATTERN=5", word));
}

/// "VALUE" of all layers, or "PATTERN=VALUE" of some; read(text, word) takes the value.
template <class Value, class Read>
void add_value(const std::string& word, Value& of_all, std::vector<ForLayers<Value>>& layers, Read read) {
  const size_t equals = word.rfind('=');
  if (equals == std::string::npos)
    of_all = read(word, word);
  else
    layers.push_back({word.substr(0, equals), read(word.substr(equals + 1), word)});
}

template <class Options>
void add_share(const std::string& option, const std::string& word, Options& to) {
  add_value(word, to.density, to.layers,
            [&](const std::string& text, const std::string& whole) { return share_in(option, text, whole); });
}

bool has_pattern(const std::string& word) { return word.find('=') != std::string::npos; }

std::vector<Effect> effects_of(const CompressCommand& options) {
  const bool trades = options.method == "rate-distortion";
  const std::string with = "with --method " + options.method;
  const bool retrains = options.epochs > 0;
  const bool prunes = !options.density.empty();
  const bool can_retrain = options.method == "kmeans" || options.factors() || prunes || !options.filters.empty();
  const std::string needs_pruning = "without --density, as nothing is pruned";
  const bool has_weights = !options.model.weights.empty();
  const bool has_density = std::any_of(options.density.begin(), options.density.end(), [](const std::string& word) {
    return word != "auto" && word != "table1" && !has_pattern(word);
  });
  const bool has_patterns = std::any_of(options.bits.begin(), options.bits.end(), has_pattern);
  return {{"train", options.train.empty() || !has_weights, "beside --weights, which are there already"},
          {"overall", !options.overall || has_density || options.svd_weights > 0,
           "without a density for all layers, such as --density 0.33, or --svd-weights"},
          {"gradual", !options.gradual || prunes, needs_pruning},
          {"gradual", !options.gradual || retrains, "without --epochs, as the model is pruned while it is retrained"},
          {"regrow", !options.regrow || prunes, needs_pruning},
          {"most-loss", options.scans(), "without --scan or --density auto"},
          {"bits", options.bits.empty() || options.counts_bits(), with},
          {"bits", !has_patterns || options.method != "uniform", "of single layers " + with},
          {"coder", options.coder != "huffman" || options.method != "none", with},
          {"others", options.others == "f32" || options.method == "none" || options.method == "kmeans", with},
          {"bytes", options.bytes == 0 || trades, with},
          {"tune", trades, with},
          {"lambda", trades, with},
          {"lambda", options.bytes == 0, "beside --bytes, which finds it"},
          {"svd", options.svd == 0 || options.method == "none" || options.method == "kmeans", with},
          {"svd-weights", options.svd_weights == 0 || options.method == "none" || options.method == "kmeans", with},
          {"factor-layers", options.factor_layers.empty() || options.factors(), "without --svd or --svd-weights"},
          {"epochs", !retrains || can_retrain,
           "as nothing is retrained: it follows --filters, --svd, --density and --method kmeans"},
          {"train-images", options.data.train_images == 0 || retrains || !has_weights,
           "without --epochs, as nothing is retrained"},
          {"lr", !options.lr || retrains, "without --epochs, as nothing is retrained"}};
}

/// The run's data and its split, so that what it held out stays so.
void apply_data_of_run(CompressCommand& options, Settings& settings) {
  const nlohmann::json config = config_of_run(options.model.weights);
  const bool is_data_of_run = config.contains("data") && config["data"] == absolute_spec(options.data.data);
  if (settings.is_named("val-share") && is_data_of_run && config["val_share"] != settings.values()["val_share"])
    throw UsageError("--val-share: the run has held out its share already, and trained on the rest");
  const bool calibrates_on_it = data::is_data_spec(options.calibrate) && config.contains("data") &&
                                config["data"] == absolute_spec(options.calibrate);
  nlohmann::json values;
  for (const char* key : {"seed", "val_share", "labels", "data"})
    if (config.contains(key) && (options.uses_data() || calibrates_on_it)) values[key] = config[key];
  settings.apply(values, options.model.weights, Layer::run);
  if (values.contains("data") && config["data"] == absolute_spec(options.data.data))
    settings.apply({{"train_images", config.value("train_images", 0)}}, options.model.weights, Layer::run);
  if (options.epochs > 0 && !settings.is_set("data"))
    throw UsageError("--epochs needs --data SPEC: what to retrain on");
}

/// That the files can be written and drawn in the end.
void check_files(const CompressCommand& options) {
  for (const auto& [option, file] :
       {std::pair("out", options.out), std::pair("plot", options.plot), std::pair("scan", options.scan)})
    if (!file.empty() && !std::filesystem::is_directory(folder_of(file)))
      throw FileError(fmt::format("--{} {}: there is no folder {}", option, file, folder_of(file)));
  if (!options.plot.empty() || !options.scan.empty()) run_gnuplot("");  // throws if it is not installed
}

/// What is wrong with the choices together.
void check_choices(const CompressCommand& options) {
  const bool has_weights = !options.model.weights.empty();
  if (!options.out.ends_with(".kndz") && (!options.out.empty() || options.scan.empty() || !has_weights))
    throw UsageError("--out FILE.kndz is needed: the small file");
  if (options.svd > 0 && options.svd_weights > 0)
    throw UsageError("--svd and --svd-weights both say how small factored layers become: say one of them");
  if (options.regrow && options.epochs == 0)
    throw UsageError("--regrow needs --data SPEC and --epochs N: weights grow in training alone");
  if (!options.plot.empty() && !options.uses_data())
    throw UsageError("--plot needs --data SPEC: what to measure the accuracy on");
  if (options.scans() && !options.uses_data())
    throw UsageError(fmt::format("{} needs --data SPEC: what to measure the accuracy on",
                                 options.scan.empty() ? "--density auto" : "--scan"));
  if (options.method == "rate-distortion" && options.calibrate.empty())
    throw UsageError(
        "--method rate-distortion needs --calibrate FOLDER (or SPEC): some hundred pictures, which need no labels");
  check_files(options);
  static_cast<void>(pruning_of(options));
  static_cast<void>(filters_of(options));
  static_cast<void>(sharing_of(options));
  if (!options.calibrate.empty()) static_cast<void>(open_calibration(options));
}

}  // namespace

void declare(CompressCommand& options, Settings& settings) {
  settings.group("Compression");
  add_preset(settings, options.preset, presets_of_compress());
  settings.add("train", options.train, "RECIPE",
               "Without --weights: train a model first, in the run folder FILE.run beside --out. RECIPE is a preset of "
               "kindling train or a JSON file of its options (default: as kindling train chooses by --data)");
  settings.add("out", options.out, "FILE", "The small file: FILE.kndz");
  settings.add("filters", options.filters, "X",
               "Structured pruning: share of the filters to keep, 0.75 of every layer but the last and those that a "
               "bypass adds to others, or PATTERN=0.75. The model becomes narrower and stays dense");
  settings
      .add("svd", options.svd, "X",
           "Low-rank factorisation: layers become two thin ones, which keep this share of the energy; 0: none")
      ->check(in_range(0, 1));
  settings
      .add("svd-weights", options.svd_weights, "X",
           "The same, where each layer keeps at most this share of its weights; 0: none")
      ->check(in_range(0, 1));
  settings.add("factor-layers", options.factor_layers, "REGEX",
               "Of --svd and --svd-weights: which layers (default all that get smaller)");
  settings.add("density", options.density, "X",
               "Share of the weights to keep: 0.33 of every layer, PATTERN=0.33 of those whose path has the pattern in "
               "it; table1, the SqueezeNet paper's; or auto, for each layer what --most-loss allows. Several, "
               "separated by commas; the first that fits counts");
  settings.add_switch("overall", options.overall,
                      "Of --density and --svd-weights: the share of all layers together, of which each keeps what it "
                      "needs (pruning by arXiv:2010.07611)");
  settings.add_switch("gradual", options.gradual,
                      "Prune in ten steps during the first half of the retraining (arXiv:1710.01878)");
  settings.add_switch("regrow", options.regrow,
                      "After pruning and its retraining, let the pruned weights grow again, in as many epochs at a "
                      "tenth of the learning rate (dense-sparse-dense)");
  settings.add("scan", options.scan, "FILE",
               "Draw how much the accuracy on --data suffers when one layer is pruned, as FILE.svg, and propose "
               "densities. Without --out the command ends there");
  settings
      .add("most-loss", options.most_loss, "X",
           "Of --scan and --density auto: how many points of top-1 a layer may cost when it is pruned alone")
      ->check(at_least(0));
  settings
      .add("method", options.method, "HOW",
           "What becomes of the weights: none; kmeans (the default beside --bits), 2^bits - 1 values for each layer; "
           "uniform, the nearest multiples of a step; rate-distortion, multiples chosen by what they cost in bits and "
           "in error")
      ->check(one_of({"none", "kmeans", "uniform", "rate-distortion"}));
  settings.add(
      "bits", options.bits, "N",
      "Of kmeans and uniform: bits of a weight, 2 to 8 (default 8). Of kmeans also PATTERN=N, as in --density");
  settings.add("calibrate", options.calibrate, "FOLDER",
               "Pictures, which need no labels: rate-distortion rounds by them, and on them the model is compared "
               "with what it was. Or shapes, cifar10:PATH, mnist:PATH or folder:PATH: at most 1,500 of its training "
               "images, drawn as by --train-images");
  settings.add("bytes", options.bytes, "N", "Of rate-distortion: the file has at most so many bytes; 0: by --lambda")
      ->check(at_least(0));
  settings.add("lambda", options.lambda, "X", "Of rate-distortion: nats of divergence that a bit is worth")
      ->check(above(0));
  settings.add("tune", options.passes, "N", "Of rate-distortion: passes over the pictures to tune steps and biases")
      ->check(at_least(0));
  settings.add("coder", options.coder, "HOW", "huffman, as in the paper; range, which is smaller")
      ->check(one_of({"huffman", "range"}));
  settings
      .add("others", options.others, "TYPE",
           "Of the numbers that are not coded: biases, normalisations, codebooks, and weights with --method none. f32, "
           "f16 or bf16; with uniform and rate-distortion f16")
      ->check(one_of({"f32", "f16", "bf16"}));
  settings
      .add("epochs", options.epochs, "N", "Epochs of retraining on --data after each step but the rounding; 0: none")
      ->check(at_least(0));
  settings
      .add("lr", options.lr, "X",
           "Learning rate of the schedule whose end the retraining repeats (default: that of the checkpoint's run)")
      ->check(above(0));
  settings.add("plot", options.plot, "FILE", "Draw size against accuracy after each step, as FILE.svg");
  options.model.declare(settings);
  options.data.declare(settings);
  options.data.declare_for_training(settings);
  settings.group("Pixels");
  options.images.declare(settings);
}

void apply_preset(CompressCommand& options, Settings& settings) {
  const bool has_weights = !options.model.weights.empty();
  options.measures = settings.is_set("data") || !has_weights;
  options.images.apply_preprocess(settings);
  if (!options.preset.empty()) {
    nlohmann::json values = find_preset(options.preset, presets_of_compress()).values_beside(settings.names_set());
    if (!options.measures && !config_of_run(options.model.weights).contains("data")) values.erase("epochs");
    settings.apply(values, "preset " + options.preset, Layer::preset);
    if (options.epochs == 0 && !settings.is_named("epochs"))
      say("note: without --data the model is not retrained, and loses more than it would have to\n");
  } else if (!has_weights && !settings.is_set("data") && options.train.empty()) {
    throw UsageError("--weights FILE is needed, or --data SPEC or --train RECIPE: what to train first");
  }
  if (!options.bits.empty() && !settings.is_set("method")) options.method = "kmeans";
  const bool does_something = options.method != "none" || !options.density.empty() || !options.filters.empty() ||
                              options.factors() || options.out.empty();
  if (!does_something) say("note: nothing here makes the model smaller: see --method and --density\n");
  settings.check_effects(effects_of(options));
  if (settings.is_set("data")) settings.check_effects(options.data.effects());
  check_choices(options);
}

RunFacts apply_weights(CompressCommand& options, Settings& settings) {
  const std::optional<RunFacts> facts = apply_description_of(options.model, settings);
  options.model.require_model(settings);
  if (facts) options.images.take(options.model.weights, facts->preprocessing, facts->pixels_are_guessed);
  if (!options.calibrate.empty() && !options.images.described)
    throw UsageError(options.model.weights +
                     " does not say what its pixels must be: say it by --preprocess torchvision or caffe");
  apply_data_of_run(options, settings);
  return facts.value_or(RunFacts{});
}

data::DatasetPtr open_calibration(const CompressCommand& options) {
  constexpr int64_t kMost = 1'500;
  return data::open_pictures(options.calibrate, options.data.open_options(options.everywhere.seed), kMost);
}

ShareOptions sharing_of(const CompressCommand& options) {
  ShareOptions result{.seed = options.everywhere.seed};
  for (const std::string& word : options.bits) add_value(word, result.bits, result.layers, bits_in);
  return result;
}

void check_fits(const CompressCommand& options, Module& model) {
  const std::vector<WeightLayer> layers = weight_layers(model);
  const auto check_patterns = [&](const std::string& option, const auto& of_layers) {
    std::vector<std::string> patterns;
    for (const auto& entry : of_layers) patterns.push_back(entry.pattern);
    static_cast<void>(first_matches(layers, patterns, "--" + option));
  };
  check_patterns("density", pruning_of(options).layers);
  check_patterns("filters", filters_of(options).layers);
  check_patterns("bits", sharing_of(options).layers);
  if (!options.factor_layers.empty())
    static_cast<void>(first_matches(layers, {options.factor_layers}, "--factor-layers"));
  if (options.method == "uniform") static_cast<void>(fold_batch_norm(model));  // with --calibrate, Compression does it
}

std::string CompressCommand::others_dtype() const { return others == "f32" ? "F32" : others == "f16" ? "F16" : "BF16"; }

bool CompressCommand::is_automatic() const {
  return std::find(density.begin(), density.end(), "auto") != density.end();
}

PruneOptions pruning_of(const CompressCommand& options) {
  PruneOptions result{.overall = options.overall};
  for (const std::string& word : options.density) {
    if (word == "table1")
      for (const LayerDensity& layer : squeezenet_table1_densities()) result.layers.push_back(layer);
    else if (word != "auto")
      add_share("density", word, result);
  }
  return result;
}

FilterOptions filters_of(const CompressCommand& options) {
  FilterOptions result;
  for (const std::string& word : options.filters) add_share("filters", word, result);
  return result;
}

}  // namespace kindling::cli
