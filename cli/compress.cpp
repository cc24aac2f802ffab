// kindling compress: prunes, factors, shares and codes a model, and writes the small file.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/compress_options.h>
#include <kindling/cli/compression.h>
#include <kindling/cli/first_training.h>
#include <kindling/cli/interrupt.h>
#include <kindling/cli/output.h>
#include <kindling/cli/program.h>
#include <kindling/cli/retraining.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/sensitivity.h>
#include <kindling/models/definition.h>
#include <kindling/train/printable.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

/// The share of the weights, biases aside, that are not 0.
double density_of(Module& model) {
  int64_t weights = 0, kept = 0;
  for (const PrunedLayer& layer : count_kept(model)) {
    weights += layer.weights;
    kept += layer.kept;
  }
  return static_cast<double>(kept) / static_cast<double>(weights);
}

/// How often the file fits into the parameters as they came, in fp32. Class names and the like do
/// not count.
double ratio_of(const Compression& compression) {
  const KndzSizes& sizes = compression.sizes();
  return static_cast<double>(compression.steps().front().bytes) / static_cast<double>(sizes.bytes - sizes.notes);
}

/// How much each layer suffers; null if that was not asked for.
Json sensitivity_json(const Compression& compression) {
  const std::optional<Sensitivity>& scan = compression.sensitivity();
  if (!scan) return Json();
  Json layers = Json::array();
  const std::vector<LayerDensity> proposed = compression.proposed();
  for (size_t i = 0; i < scan->layers.size(); ++i)
    layers.push_back(
        {{"name", scan->layers[i].path}, {"top1", scan->layers[i].scores}, {"proposed_density", proposed[i].value}});
  return {{"densities", scan->densities}, {"layers", layers}};
}

Json agreement_json(const Compression& compression) {
  const std::optional<Agreement>& agreement = compression.agreement();
  if (!agreement) return Json();
  return {{"images", agreement->images}, {"same_class", agreement->same_class}, {"kl", agreement->divergence}};
}

Json to_json(const CompressCommand& options, Compression& compression) {
  const KndzSizes& sizes = compression.sizes();
  Json steps = Json::array(), layers = Json::array();
  for (const CompressionStep& step : compression.steps())
    steps.push_back({{"name", step.name},
                     {"bytes", step.bytes},
                     {"top1", or_null(step.top1)},
                     {"top5", or_null(step.top5)},
                     {"loss", or_null(step.loss)}});
  for (const KndzSize& tensor : sizes.tensors)
    layers.push_back({{"name", tensor.name},
                      {"elements", tensor.elements},
                      {"nonzero", tensor.nonzero},
                      {"bytes", tensor.bytes},
                      {"places", tensor.places},
                      {"codes", tensor.codes},
                      {"codebook", tensor.codebook},
                      {"entropy", tensor.entropy}});
  if (options.out.empty())
    return {{"top1_before", or_null(compression.steps().front().top1)}, {"sensitivity", sensitivity_json(compression)}};
  return {{"out", options.out},
          {"weights", options.model.weights},
          {"bytes", sizes.bytes},
          {"notes_bytes", sizes.notes},
          {"ratio", ratio_of(compression)},
          {"density", density_of(compression.model())},
          {"bits", options.counts_bits() ? Json(sharing_of(options).bits) : Json()},
          {"lambda", or_null(compression.lambda())},
          {"top1_before", or_null(compression.steps().front().top1)},
          {"top1_after", or_null(compression.steps().back().top1)},
          {"agreement", agreement_json(compression)},
          {"sensitivity", sensitivity_json(compression)},
          {"steps", steps},
          {"tensors", layers}};
}

std::string rounded(double bytes) { return with_commas(static_cast<int64_t>(bytes + 0.5)); }

/// The densities that a scan proposes.
void print_proposal(const CompressCommand& options, const Compression& compression) {
  if (!compression.sensitivity()) return;
  const Style style(1);
  const Sensitivity& scan = *compression.sensitivity();
  const std::vector<LayerDensity> proposed = compression.proposed();
  Table layers({"layer", "density"});
  for (size_t i = 0; i < proposed.size(); ++i) layers.add({scan.layers[i].path, fmt::format("{}", proposed[i].value)});
  print("{}of {} top-1, each layer may alone cost {} points (--most-loss)\n", layers.text(style), percent(scan.score),
        options.most_loss);
  if (!options.scan.empty()) print("the curves are in {}\n", printable(options.scan));
}

void print_tensors(const KndzSizes& sizes) {
  Table tensors({"tensor", "elements", "not 0", "bytes", "places", "codes", "codebook", "entropy"});
  for (const KndzSize& tensor : sizes.tensors) {
    if (!tensor.name.ends_with("/weight")) continue;
    const bool is_plain = tensor.entropy == 0 && tensor.places == 0;
    tensors.add({tensor.name, with_commas(tensor.elements), with_commas(tensor.nonzero), with_commas(tensor.bytes),
                 is_plain ? "-" : rounded(tensor.places), rounded(tensor.codes),
                 is_plain ? "-" : rounded(tensor.codebook), is_plain ? "-" : rounded(tensor.entropy)});
  }
  print("{}\n", tensors.text(Style(1)));
}

void print_result(const CompressCommand& options, Compression& compression) {
  const Style style(1);
  const KndzSizes& sizes = compression.sizes();
  print_proposal(options, compression);
  if (options.out.empty()) return;
  print_tensors(sizes);
  Table steps({"step", "bytes", "top-1", "top-5"});
  for (const CompressionStep& step : compression.steps())
    steps.add({step.name, with_commas(step.bytes), percent(step.top1), percent(step.top5)});
  print("{}\n", steps.text(style));
  if (const auto& agreement = compression.agreement())
    print("on the {} of --calibrate: the same class as before on {}, KL divergence {:.4f} nats{}\n",
          counted(agreement->images, "picture"), percent(agreement->same_class), agreement->divergence,
          compression.lambda() ? "; on others it is somewhat worse" : "");
  print("{}: {} bytes, {} of them class names and the like; {:.1f} times smaller than fp32\n", printable(options.out),
        style.bold(with_commas(sizes.bytes)), with_commas(sizes.notes), ratio_of(compression));
}

/// What the small file says of itself.
Description describe(CompressCommand& options, const Module& model, const RunFacts& facts) {
  Description description{.model = model.definition(), .classes = facts.class_names};
  if (!options.images.described) return description;
  options.images.complete(channels_of(description.model));
  description.preprocessing = options.images.preprocessing(options.model.input_size(), {});
  return description;
}

/// The run folder of the training that there is when no weights are given.
std::string run_beside(const std::string& out) { return out.substr(0, out.rfind('.')) + ".run"; }

int run(CompressCommand& options, Settings& settings) {
  apply_preset(options, settings);
  if (options.model.weights.empty()) {
    options.model.weights = train_first({options.train, run_beside(options.out)}, options.everywhere, settings);
    if (options.model.weights.empty()) return Interrupt::exit_code();
  }
  const RunFacts facts = apply_weights(options, settings);
  Rng rng(options.everywhere.seed);
  std::unique_ptr<Module> model = options.model.load(rng, facts.channels);
  model->eval();
  std::optional<Retraining> retraining;
  if (options.uses_data())
    retraining.emplace(Retraining::Choice{.everywhere = options.everywhere,
                                          .model = options.model,
                                          .data = options.data,
                                          .images = options.images,
                                          .facts = facts,
                                          .epochs = options.epochs,
                                          .lr = options.lr});
  const Description description = describe(options, *model, facts);
  const Interrupt interrupt;
  Compression compression(options, std::move(model), description, retraining ? &*retraining : nullptr,
                          interrupt.requested());
  if (!compression.run()) return Interrupt::exit_code();
  if (options.everywhere.json)
    print_json(to_json(options, compression));
  else
    print_result(options, compression);
  if (!options.plot.empty()) draw_steps(compression.steps(), options.plot);
  if (!options.scan.empty()) draw_sensitivity(*compression.sensitivity(), options.scan);
  return kDone;
}

}  // namespace

void add_compress(Program& program) {
  program.add<CompressCommand>(
      program.root(), "compress", "Makes a small file of a model",
      "kindling compress --weights net.caffemodel --method rate-distortion --calibrate photos --out net.kndz\n"
      "kindling compress --weights runs/mine/best.ckpt --preset deep-compression --out mine.kndz\n"
      "kindling compress --data folder:photos --preset deep-compression --out photos.kndz --plot photos.svg\n"
      "kindling classify mine.jpg --weights mine.kndz",
      declare, run);
}

}  // namespace kindling::cli
