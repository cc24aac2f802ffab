// kindling bench train and infer: images per second of a model, and the share of the FMA peak that it reaches.
#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <kindling/cli/bench.h>
#include <kindling/cli/layer_times.h>
#include <kindling/cli/output.h>
#include <kindling/cli/recipe.h>
#include <kindling/tensor/constant_weights.h>
#include <kindling/tensor/kernels/parallel.h>
#include <kindling/train/step.h>

namespace kindling::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ModelBench {
  Everywhere everywhere;
  ModelChoice model;
  int64_t batch_size = 32, steps = 10;
  bool layers = false, ragged = false;
  std::string optimizer = "sgd";
};

void declare(ModelBench& options, Settings& settings) {
  settings.group("Benchmark");
  settings.add("batch-size", options.batch_size, "N", "Images per step")->check(at_least(1));
  settings.add("steps", options.steps, "N", "Steps that are timed, after a warm-up")->check(at_least(1));
  settings.add_flag("layers", options.layers,
                    "Time, GFLOP/s and share of peak per layer and pass, and how convolutions are computed");
  settings.add_flag("ragged", options.ragged, "Batches of changing sizes, up to --batch-size: does memory grow?");
  options.model.declare(settings);
}

void declare_training(ModelBench& options, Settings& settings) {
  declare(options, settings);
  settings.group("Training");
  declare_optimizer(options.optimizer, settings);
}

/// One model with random images, ready to take steps.
class Workload {
 public:
  /// Images have so many channels; 0: as the model has by default.
  Workload(const ModelBench& options, int64_t channels, bool training)
      : rng_(options.everywhere.seed), model_(options.model.load(rng_, channels)), training_(training) {
    if (channels == 0) channels = options.model.info().channels;
    const int64_t size = options.model.input_size(), batch = options.batch_size;
    image_ = {1, size, size, channels};
    images_ = Tensor::normal({batch, size, size, channels}, 0, 1, rng_);
    labels_ = Tensor::zeros({batch}, DType::i64);
    model_->train(training);
    model_->name_parts();  // a first call from several threads must not do it
    plan_ = plan_step(*model_, images_.select(0, 0), batch);
    if (!training) return;
    gradient_.emplace(*model_, classification(), plan_);
    Recipe recipe;
    recipe.optimizer = options.optimizer;
    recipe.lr = 1e-4;
    recipe.weight_decay = 0;
    optimizer_ = recipe.make_optimizer(*model_);
  }

  /// A training step, or the outputs, of the first `count` images.
  void step(int64_t count) {
    training_ ? train(images_.slice(0, 0, count), labels_.slice(0, 0, count)) : infer(images_.slice(0, 0, count));
  }

  /// As every share of peak counts them: a multiply-add is two; conv1 needs no gradient of its
  /// input.
  double gflop_per_image() const {
    int64_t macs = 0;
    const std::vector<LayerCall> calls = layer_calls(*model_, image_);
    for (const LayerCall& call : calls) macs += call.macs;
    return 2e-9 * static_cast<double>(training_ ? 3 * macs - calls.front().macs : macs);
  }

  Module& model() { return *model_; }
  const Shape& image() const { return image_; }
  const StepPlan& plan() const { return plan_; }

 private:
  void train(const Tensor& images, const Tensor& labels) {
    gradient_->add(images, labels, steps_++);
    gradient_->finish();
    optimizer_->step();
  }

  void infer(const Tensor& images) {
    for_each_part(plan_, images.size(0), [&](const BatchPart& part) {
      const NoGrad no_grad;
      (*model_)(part.of(images));
    });
  }

  Rng rng_;
  std::unique_ptr<Module> model_;
  bool training_;
  Shape image_;
  Tensor images_, labels_;
  StepPlan plan_;
  std::optional<GradientStep> gradient_;
  std::unique_ptr<Optimizer> optimizer_;
  uint64_t steps_ = 0;
};

struct ModelSpeed {
  Timing step;
  Timing image;              ///< a step's time over the number of its images
  int64_t images = 0;        ///< of all steps that are timed
  double rss_growth_mb = 0;  ///< from the end of the warm-up to the end
  double page_faults = 0;    ///< a step, after the warm-up
  double first_step_ms = 0;  ///< to the end of the first step, from the start of the process
  double rss_mb = 0;         ///< the most until the end of the steps

  double images_per_second() const { return 1e3 / image.median(); }
};

ModelSpeed measure(Workload& workload, const ModelBench& options, std::optional<PeakMeter>& peak) {
  ModelSpeed speed;
  workload.step(options.batch_size);
  speed.first_step_ms = process_age_ms();
  peak.emplace();
  // After the first step. In the first tenths of a second Linux may leave two threads on one processor: one image then
  // took 4.4 ms on two cores of a Zen 5 instead of 1.4.
  constexpr int64_t kWarmUp = 2;
  constexpr std::chrono::milliseconds kWarmUpTime{250};
  // A sample disturbs the steps behind it: one after every step of 2 ms made the steps 1.05 to 1.17 times as long.
  constexpr double kBetweenSamplesMs = 100;
  Rng sizes(options.everywhere.seed, /*stream=*/1);
  const auto next_size = [&] { return options.ragged ? 1 + sizes.next_below(options.batch_size) : options.batch_size; };
  const auto warm = std::chrono::steady_clock::now() + kWarmUpTime;
  for (int64_t i = 0; i < kWarmUp || std::chrono::steady_clock::now() < warm; ++i) workload.step(options.batch_size);
  const double rss = current_rss_mb();
  const int64_t faults = page_faults();
  double since_sample_ms = 0;
  for (int64_t i = 0; i < options.steps; ++i) {
    const int64_t size = next_size();
    const double ms = speed.step.measure([&] { workload.step(size); });
    speed.image.add(ms / static_cast<double>(size));
    speed.images += size;
    since_sample_ms += ms;
    if (since_sample_ms < kBetweenSamplesMs) continue;
    peak->sample();
    since_sample_ms = 0;
  }
  speed.page_faults = static_cast<double>(page_faults() - faults) / static_cast<double>(options.steps);
  speed.rss_growth_mb = current_rss_mb() - rss;
  speed.rss_mb = peak_rss_mb();
  return speed;
}

Json to_json(const std::vector<LayerTime>& times, double ms_per_step, const PeakMeter& peak) {
  Json list = Json::array();
  for (const LayerTime& time : times)
    for (const PassTime& pass : time.passes) {
      Json row{{"name", time.name}, {"kind", time.kind}, {"pass", pass.pass}, {"ms", pass.ms}};
      const double gflops = 1e3 * pass.gflop / pass.ms;
      row["gflops"] = pass.gflop > 0 ? Json(gflops) : Json();
      row["fraction_of_peak"] = pass.gflop > 0 ? Json(gflops / peak.gflops()) : Json();
      row["fraction_of_step"] = pass.ms / ms_per_step;
      row["method"] = pass.method.empty() ? Json() : Json(pass.method);
      list.push_back(row);
    }
  return list;
}

/// ms, GFLOP/s and share of peak of one pass, in three columns.
std::vector<std::string> pass_columns(const LayerTime& time, const std::vector<std::string>& names,
                                      const PeakMeter& peak) {
  for (const PassTime& pass : time.passes) {
    if (std::find(names.begin(), names.end(), pass.pass) == names.end()) continue;
    if (pass.gflop == 0) return {fmt::format("{:.2f}", pass.ms), "", ""};
    const double gflops = 1e3 * pass.gflop / pass.ms;
    return {fmt::format("{:.2f}", pass.ms), fmt::format("{:.0f}", gflops),
            fmt::format("{:.0f} %", 100 * gflops / peak.gflops())};
  }
  return {"", "", ""};
}

/// How a convolution is computed, in the order of the passes there are; once, if all are the same.
std::string methods_of(const LayerTime& time) {
  std::vector<std::string> methods;
  for (const PassTime& pass : time.passes) methods.push_back(pass.method);
  if (std::all_of(methods.begin(), methods.end(), [&](const std::string& method) { return method == methods[0]; }))
    return methods.empty() ? "" : methods[0];
  return fmt::format("{}", fmt::join(methods, ", "));
}

void print_layers(const std::vector<LayerTime>& times, bool training, double ms_per_step, const PeakMeter& peak) {
  std::vector<std::vector<std::string>> passes{{"forward"}};
  std::vector<std::string> head{"layer", "kind", "forward ms", "GFLOP/s", "peak"};
  if (training) {
    passes.push_back({"input gradient", "backward"});
    passes.push_back({"weight gradient"});
    head.insert(head.end(), {"dx ms", "GFLOP/s", "peak", "dw ms", "GFLOP/s", "peak"});
  }
  head.insert(head.end(), {"of step", "method"});
  Table table(head, {0, 1, head.size() - 1});
  double total = 0;
  const auto share = [&](double ms) { return fmt::format("{:.1f} %", 100 * ms / ms_per_step); };
  for (const LayerTime& time : times) {
    double ms = 0;
    for (const PassTime& pass : time.passes) ms += pass.ms;
    total += ms;
    std::vector<std::string> row{time.name, time.kind};
    for (const std::vector<std::string>& names : passes)
      for (std::string& cell : pass_columns(time, names, peak)) row.push_back(std::move(cell));
    row.push_back(share(ms));
    row.push_back(methods_of(time));
    table.add(std::move(row));
  }
  print("{}measured alone, the layers take {} of the time of a step{}\n\n", table.text(Style(1)), share(total),
        total >= ms_per_step ? ", where they share caches and run in one pass with their neighbours"
        : training ? "; the rest is the optimiser, the loss, and what a layer in a step does not find in cache"
                   : "; the rest is what a layer in a step does not find in cache");
}

/// Everything there is to report.
struct ModelReport {
  const ModelBench& options;
  bool training;
  ModelSpeed speed;
  std::vector<LayerTime> layers;
  double gflop_per_image;
  PeakMeter peak;

  double gflops() const { return gflop_per_image * speed.images_per_second(); }
  double fraction_of_peak() const { return gflops() / peak.gflops(); }
};

void print_document(const ModelReport& report) {
  const Timing& step = report.speed.step;
  Json document{{"model", report.options.model.model},
                {"size", report.options.model.input_size()},
                {"batch_size", report.options.batch_size},
                {"steps", report.options.steps},
                {"images", report.speed.images},
                {"images_per_second", report.speed.images_per_second()},
                {"ms_per_step", step.median()},
                {"ms_quartiles", {step.low(), step.high()}},
                {"gflop_per_image", report.gflop_per_image},
                {"fraction_of_peak", report.fraction_of_peak()},
                {"rss_growth_mb", report.speed.rss_growth_mb},
                {"page_faults_per_step", report.speed.page_faults},
                {"first_step_ms", report.speed.first_step_ms}};
  if (report.training) document["optimizer"] = report.options.optimizer;
  add_machine(document, report.peak, report.speed.rss_mb);
  if (report.options.layers) document["layers"] = to_json(report.layers, step.median(), report.peak);
  print_json(document);
}

/// "squeezenet_cifar, complex bypass, batch normalisation, muon": what is not as it is by default.
std::string measured_model(const ModelReport& report) {
  const ModelChoice& model = report.options.model;
  std::vector<std::string> words{model.model};
  if (model.bypass != "none") words.push_back(model.bypass + " bypass");
  if (model.norm != "none") words.push_back(model.norm + " normalisation");
  if (report.training && report.options.optimizer != "sgd") words.push_back(report.options.optimizer);
  return fmt::format("{}", fmt::join(words, ", "));
}

/// "137 ms", "1.35 ms", "0.087 ms": a duration with about three digits.
std::string milliseconds(double ms) {
  const int decimals = ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 1 ? 2 : 3;
  return fmt::format("{:.{}f} ms", ms, decimals);
}

void print_text(const ModelReport& report) {
  const ModelBench& options = report.options;
  const Timing& step = report.speed.step;
  if (options.layers) print_layers(report.layers, report.training, step.median(), report.peak);
  print("{} {}, {} pixels, {} {}: {:.1f} images/s, {} a step (quartiles {} to {})\n",
        report.training ? "training" : "inference", measured_model(report), options.model.input_size(),
        options.ragged ? "batches of at most" : "batches of", options.batch_size, report.speed.images_per_second(),
        milliseconds(step.median()), milliseconds(step.low()), milliseconds(step.high()));
  print("{} of peak: {:.1f} GFLOP/s, {:.4f} GFLOP an image\n{}\n",
        Style(1).bold(fmt::format("{:.3f}", report.fraction_of_peak())), report.gflops(), report.gflop_per_image,
        machine_line(report.peak, report.speed.rss_mb));
  print(
      "memory grew by {:.1f} MB over {} steps, {:.1f} page faults a step; {:.0f} ms from the start to the end of "
      "the first step\n",
      std::max(report.speed.rss_growth_mb, 0.0), options.steps, report.speed.page_faults, report.speed.first_step_ms);
}

int run(ModelBench& options, Settings& settings, bool training) {
  const std::optional<RunFacts> facts = apply_run_of(options.model, settings);
  if (!options.model.weights.empty()) options.model.require_model(settings);
  if (options.model.conv == "im2col") warn_of_slow_blas();
  std::optional<PeakMeter> peak;
  Workload workload(options, facts ? facts->channels : 0, training);
  std::optional<ConstantWeights> constant;
  if (!training) constant.emplace();
  const ModelSpeed speed = measure(workload, options, peak);
  std::vector<LayerTime> layers;
  if (options.layers)
    layers = time_layers(workload.model(), workload.image(), options.batch_size, workload.plan(), options.steps, *peak);
  peak->sample();
  const ModelReport report{options, training, speed, layers, workload.gflop_per_image(), *peak};
  options.everywhere.json ? print_document(report) : print_text(report);
  return kDone;
}

int run_train(ModelBench& options, Settings& settings) { return run(options, settings, /*training=*/true); }
int run_infer(ModelBench& options, Settings& settings) { return run(options, settings, /*training=*/false); }

}  // namespace

void add_bench_train(Program& program, CLI::App& bench) {
  program.add<ModelBench>(bench, "train", "Training steps of a model on random images",
                          "kindling bench train --model squeezenet1_1 --batch-size 32 --size 224 --layers",
                          declare_training, run_train);
}

void add_bench_infer(Program& program, CLI::App& bench) {
  program.add<ModelBench>(bench, "infer", "Outputs of a model for random images",
                          "kindling bench infer --model squeezenet1_1 --batch-size 1", declare, run_infer);
}

}  // namespace kindling::cli
