#include <kindling/cli/compress_options.h>

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/presets.h>
#include <kindling/cli/retraining.h>

namespace kindling::cli {
namespace {

/// The presets of compress: values by option.
const std::vector<Preset>& presets_of_compress() {
  static const std::vector<Preset> all{
      {"deep-compression",
       "as in the SqueezeNet paper (arXiv:1510.00149): a third of the weights, 2^8 - 1 values of them in each layer, "
       "Huffman's code",
       {{"density", {"0.33"}}, {"method", "kmeans"}, {"bits", 8}, {"coder", "huffman"}}},
  };
  return all;
}

double share_in(const std::string& text, const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0 && value <= 1))
    throw UsageError(
        fmt::format("--density {}: a density is above 0 and at most 1; say 0.33, PATTERN=0.33 or table1", word));
  return value;
}

std::vector<Effect> effects_of(const CompressCommand& options) {
  const bool counts_bits = options.method == "kmeans" || options.method == "uniform";
  const bool trades = options.method == "rate-distortion";
  const std::string with = "with --method " + options.method;
  const bool retrains = options.epochs > 0;
  const bool can_retrain = options.method == "kmeans" || options.svd > 0 || !options.density.empty();
  return {
      {"bits", !options.bits || counts_bits, with},
      {"calibrate", options.calibrate.empty() || trades, with},
      {"bytes", options.bytes == 0 || trades, with},
      {"tune", trades, with},
      {"lambda", trades, with},
      {"lambda", options.bytes == 0, "beside --bytes, which finds it"},
      {"svd", options.svd == 0 || options.method == "none" || options.method == "kmeans", with},
      {"factor-layers", options.factor_layers.empty() || options.svd > 0, "without --svd"},
      {"epochs", !retrains || can_retrain, "as nothing is retrained: it follows --density, --svd and --method kmeans"},
      {"lr", !options.lr || retrains, "without --epochs, as nothing is retrained"}};
}

/// The split of the data that the run of the checkpoint has made, so that what it held out stays
/// so; and the data itself, if there is to be retraining.
void apply_data_of_run(CompressCommand& options, Settings& settings) {
  const nlohmann::json config = config_of_run(options.model.weights);
  nlohmann::json values;
  for (const char* key : {"seed", "val_share", "labels", "data"})
    if (config.contains(key) && (options.names_data || options.epochs > 0)) values[key] = config[key];
  settings.apply(values, options.model.weights, Layer::run);
  if (options.epochs > 0 && !settings.is_set("data"))
    throw UsageError("--epochs needs --data SPEC: what to retrain on");
}

}  // namespace

void declare(CompressCommand& options, Settings& settings) {
  settings.group("Compression");
  add_preset(settings, options.preset, presets_of_compress());
  settings.add("out", options.out, "FILE", "The small file: FILE.kndz");
  settings.add("svd", options.svd, "X", "Factor layers in two, which keep this share of the energy; 0: none")
      ->check(in_range(0, 1));
  settings.add("factor-layers", options.factor_layers, "REGEX",
               "Of --svd: which layers (default all that get smaller)");
  settings.add("density", options.density, "X",
               "Share of the weights to keep: 0.33 of every layer, PATTERN=0.33 of those whose path has the pattern in "
               "it, or table1, the SqueezeNet paper's. Several, separated by commas; the first that fits counts");
  settings
      .add("method", options.method, "HOW",
           "What becomes of the weights: none; kmeans, 2^bits - 1 values for each layer; "
           "uniform, the nearest multiples of a step; rate-distortion, multiples chosen by what they cost in bits and "
           "in error")
      ->check(one_of({"none", "kmeans", "uniform", "rate-distortion"}));
  settings.add("bits", options.bits, "N", "Of kmeans and uniform: of a weight, 2 to 8 (default 8)")
      ->check(in_range(2, 9));
  settings.add("calibrate", options.calibrate, "FOLDER", "Of rate-distortion: pictures, which need no labels");
  settings.add("bytes", options.bytes, "N", "Of rate-distortion: the largest file")->check(at_least(0));
  settings.add("lambda", options.lambda, "X", "Of rate-distortion: nats of divergence that a bit is worth")
      ->check(above(0));
  settings.add("tune", options.passes, "N", "Of rate-distortion: passes over the pictures to tune steps and biases")
      ->check(at_least(0));
  settings.add("coder", options.coder, "HOW", "huffman, as in the paper; range, which is smaller")
      ->check(one_of({"huffman", "range"}));
  settings.add("epochs", options.epochs, "N", "Of retraining on --data after each step; 0: none")->check(at_least(0));
  settings.add("lr", options.lr, "X", "Learning rate of retraining (default: by the run of the checkpoint)")
      ->check(above(0));
  settings.add("plot", options.plot, "FILE", "Draw size against accuracy after each step, as FILE.svg");
  options.model.declare(settings);
  options.data.declare(settings);
  settings.group("Pixels");
  options.images.declare(settings);
}

RunFacts apply_layers(CompressCommand& options, Settings& settings) {
  options.names_data = settings.is_set("data");
  options.images.apply_preprocess(settings);
  if (!options.preset.empty()) {
    const Preset& preset = find_preset(options.preset, presets_of_compress());
    settings.apply(preset.values_beside(settings.names_set()), "preset " + options.preset, Layer::preset);
  }
  settings.check_effects(effects_of(options));
  if (options.model.weights.empty())
    throw UsageError("--weights FILE is needed: the checkpoint or weights to compress");
  if (!options.out.ends_with(".kndz")) throw UsageError("--out FILE.kndz is needed: the small file");
  if (!options.plot.empty() && !options.uses_data())
    throw UsageError("--plot needs --data SPEC: what to measure the accuracy on");
  if (options.method == "rate-distortion" && options.calibrate.empty())
    throw UsageError("--method rate-distortion needs --calibrate FOLDER: some hundred pictures, which need no labels");
  if (options.names_data) settings.check_effects(options.data.effects());
  const std::optional<RunFacts> facts = apply_description_of(options.model, settings);
  options.model.require_model(settings);
  if (facts) options.images.take(options.model.weights, facts->preprocessing, facts->pixels_are_guessed);
  if (options.method == "rate-distortion" && !options.images.described)
    throw UsageError(options.model.weights +
                     " does not say what its pixels must be: say it by --preprocess torchvision or caffe");
  apply_data_of_run(options, settings);
  return facts.value_or(RunFacts{});
}

PruneOptions pruning_of(const CompressCommand& options) {
  PruneOptions result;
  for (const std::string& word : options.density) {
    const size_t equals = word.rfind('=');
    if (word == "table1") {
      for (const LayerDensity& layer : squeezenet_table1_densities()) result.layers.push_back(layer);
    } else if (equals == std::string::npos) {
      result.density = share_in(word, word);
    } else {
      result.layers.push_back({word.substr(0, equals), share_in(word.substr(equals + 1), word)});
    }
  }
  return result;
}

}  // namespace kindling::cli
