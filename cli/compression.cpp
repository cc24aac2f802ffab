#include <kindling/cli/compression.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include <kindling/cli/output.h>
#include <kindling/compress/calibration.h>
#include <kindling/compress/distillation.h>
#include <kindling/compress/factor.h>
#include <kindling/compress/filters.h>
#include <kindling/compress/fold_batch_norm.h>
#include <kindling/compress/pack.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/share.h>
#include <kindling/compress/uniform.h>
#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/train/gnuplot.h>

namespace kindling::cli {

Compression::Compression(const CompressCommand& options, std::unique_ptr<Module> model, Description description,
                         const Retraining* retraining, const std::atomic<bool>* stop)
    : options_(options),
      model_(std::move(model)),
      description_(std::move(description)),
      retraining_(retraining),
      progress_(options.everywhere.quiet),
      stop_(stop) {
  check_fits(options_, *model_);
  if (options_.calibrate.empty()) return;
  original_ = fold_batch_norm(*model_);
  pictures_ = open_calibration(options_);
  for (const std::string& note : pictures_->notes()) progress_.on_note(note);
}

bool Compression::run() {
  remember("fp32");
  hold_pruned(*model_);
  if (!options_.filters.empty()) {
    prune_filters(*model_, filters_of(options_));
    if (!finish("narrowed")) return false;
  }
  if (options_.factors()) {
    factor(*model_, {.layers = options_.factor_layers,
                     .energy = options_.svd,
                     .weights = options_.svd_weights,
                     .overall = options_.overall && options_.svd_weights > 0});
    if (!finish("factored")) return false;
  }
  if (options_.scans())
    sensitivity_ = scan_sensitivity(
        *model_, retraining_->score(stop_),
        {.progress = [this](int64_t done, int64_t total) { progress_.show("pruning layers alone", done, total); }});
  progress_.finish();
  if (options_.out.empty()) return true;
  if (!options_.density.empty() && !prune_model()) return false;
  if (options_.method == "kmeans") {
    share(*model_, sharing_of(options_));
    if (!finish("shared", {.shares_weights = true})) return false;
  }
  if (options_.method == "uniform") {
    model_ = fold_batch_norm(*model_);
    quantised_ = round_uniformly(*model_, sharing_of(options_).bits);
  }
  if (options_.method == "rate-distortion") round_weights();
  if (quantised_) remember("rounded");
  description_.model = model_->definition();
  sizes_ = write_kndz(options_.out, packed(), to_metadata(description_), coder());
  read_back();
  progress_.finish();
  return true;
}

// What is reported in the end is that of the file.
void Compression::read_back() {
  model_ = load_model(options_.out);
  remember("coded");
  if (original_)
    agreement_ = compare_predictions(
        *original_, *model_, pictures_,
        {.transform = data::preprocess(*description_.preprocessing), .reading = options_.data.reading, .stop = stop_});
}

bool Compression::prune_model() {
  PruneOptions pruning = pruning_of(options_);
  if (options_.is_automatic())
    for (const LayerDensity& layer : proposed()) pruning.layers.push_back(layer);
  if (options_.gradual) {
    constexpr int64_t kTimes = 10;
    const int64_t every = retraining_->updates() / (2 * kTimes);
    if (every == 0)
      throw UsageError(fmt::format("--gradual needs at least {} updates, and {} have {}: more --epochs are needed",
                                   2 * kTimes, counted(options_.epochs, "epoch"), retraining_->updates()));
    const auto prune_now = gradual_pruning(*model_, {.last = pruning, .every = every, .times = kTimes});
    if (!finish("pruned", {.after_update = prune_now})) return false;
  } else {
    prune(*model_, pruning);
    if (!finish("pruned")) return false;
  }
  if (!options_.regrow) return true;
  release_weights(*model_);
  constexpr double kSlower = 0.1;  // Han et al., arXiv:1607.04381, section 3
  return finish("dense again", {.lr_factor = kSlower});
}

bool Compression::finish(const std::string& step, const Retraining::Change& change) {
  if (retraining_ != nullptr && options_.epochs > 0) {
    progress_.print(fmt::format("{}: retraining, {}", step, counted(options_.epochs, "epoch")));
    if (!retraining_->train(*model_, progress_, stop_, change)) return false;
  }
  remember(step);
  return true;
}

// The first one is the model as it came: four bytes for each number.
void Compression::remember(const std::string& step) {
  CompressionStep result{.name = step, .bytes = sizes_.bytes};
  if (steps_.empty())
    result.bytes = 4 * model_->parameter_count();
  else if (sizes_.bytes == 0)  // not written yet
    result.bytes = bytes_of(packed());
  if (retraining_ != nullptr) {
    const Evaluation measured = retraining_->measure(*model_, stop_);
    result.top1 = measured.top1;
    result.top5 = measured.top5;
    result.loss = measured.loss;
  }
  steps_.push_back(result);
}

std::vector<LayerDensity> Compression::proposed() const {
  return sensitivity_ ? propose_densities(*sensitivity_, options_.most_loss) : std::vector<LayerDensity>{};
}

std::optional<double> Compression::lambda() const {
  return quantised_ && quantised_->lambda > 0 ? std::optional(quantised_->lambda) : std::nullopt;
}

void Compression::round_weights() {
  const std::unique_ptr<Module> before = fold_batch_norm(*model_);
  constexpr int64_t kViews = 2;  // of each picture: other pieces of it
  const Calibration calibration =
      calibrate(*before, pictures_,
                {.transform = data::preprocess_at_random(*description_.preprocessing),
                 .passes = kViews,
                 .seed = options_.everywhere.seed,
                 .reading = options_.data.reading,
                 .progress = [this](int64_t done, int64_t total) { progress_.show("calibrating", done, total); },
                 .stop = stop_});
  if (options_.bytes == 0) {
    quantised_ = round_to(0, *before, calibration);
    return;
  }
  // Tuning changes the biases, and so the size. Then the target is lowered by what is too much.
  constexpr int64_t kMargin = 200;  // bytes
  for (int64_t target = options_.bytes, excess = 1; excess > 0; target -= excess + kMargin) {
    if (target <= 0) throw Error(fmt::format("the model does not get as small as {} bytes", options_.bytes));
    quantised_ = round_to(target, *before, calibration);
    excess = bytes_of(packed()) - options_.bytes;
  }
}

QuantisedModel Compression::round_to(int64_t bytes, Module& before, const Calibration& calibration) {
  model_ = fold_batch_norm(before);  // a copy
  QuantisedModel result =
      quantise(*model_, calibration,
               {.lambda = bytes > 0 ? 0 : options_.lambda,
                .target_bytes = bytes,
                .size = [&](const QuantisedModel& q) { return bytes_of(coded_tensors(*model_, q)); },
                .progress = [this](int64_t done, int64_t total) { progress_.show("rounding layers", done, total); },
                .stop = stop_});
  if (options_.passes > 0)
    distil(before, *model_, result, pictures_,
           {.transform = data::preprocess(*description_.preprocessing),
            .epochs = options_.passes,
            .seed = options_.everywhere.seed,
            .reading = options_.data.reading,
            .progress = [this](int64_t done, int64_t total, double) { progress_.show("tuning", done, total); },
            .stop = stop_});
  return result;
}

std::vector<CodedTensor> Compression::packed() const {
  return quantised_ ? coded_tensors(*model_, *quantised_) : pack(*model_, options_.others_dtype());
}

int64_t Compression::bytes_of(const std::vector<CodedTensor>& tensors) const {
  return kndz_sizes(tensors, to_metadata(description_), coder()).bytes;
}

void draw_steps(const std::vector<CompressionStep>& steps, const std::string& path) {
  std::ostringstream script;
  script << "$steps << EOD\n";
  for (const CompressionStep& step : steps)
    script << static_cast<double>(step.bytes) / 1e6 << ' ' << step.top1.value_or(0) << " \"" << step.name << "\"\n";
  script << "EOD\n"
         << svg_head(720, 480)
         << "set logscale x\nset xlabel 'size of the file, MB'\nset ylabel 'top-1, per cent'\nunset key\n"
         << "set offsets graph 0.1, graph 0.1, 1, 1\n"
         << "plot $steps using 1:2 with linespoints ls 2, "
         << "$steps every 2 using 1:2:3 with labels offset 0,1 noenhanced, "
         << "$steps every 2::1 using 1:2:3 with labels offset 0,-1 noenhanced\n";
  write_file(path, run_gnuplot(script.str()));
}

}  // namespace kindling::cli
