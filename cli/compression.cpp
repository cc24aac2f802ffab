#include <kindling/cli/compression.h>

#include <sstream>
#include <utility>

#include <fmt/format.h>

#include <kindling/cli/output.h>
#include <kindling/compress/calibration.h>
#include <kindling/compress/distillation.h>
#include <kindling/compress/factor.h>
#include <kindling/compress/fold_batch_norm.h>
#include <kindling/compress/pack.h>
#include <kindling/compress/prune.h>
#include <kindling/compress/share.h>
#include <kindling/compress/uniform.h>
#include <kindling/data/pictures.h>
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
      stop_(stop) {}

bool Compression::run() {
  finish_step("as it was", false);
  hold_pruned(*model_);
  if (options_.svd > 0) {
    factor(*model_, {.layers = options_.factor_layers, .energy = options_.svd});
    if (!finish_step("factored", true)) return false;
  }
  if (!options_.density.empty()) {
    prune(*model_, pruning_of(options_));
    if (!finish_step("pruned", true)) return false;
  }
  if (options_.method == "kmeans") {
    share(*model_, {.bits = options_.bits.value_or(8), .seed = options_.everywhere.seed});
    if (!finish_step("shared", true)) return false;
  }
  if (options_.method == "uniform") {
    model_ = fold_batch_norm(*model_);
    quantised_ = round_uniformly(*model_, options_.bits.value_or(8));
  }
  if (options_.method == "rate-distortion") round_weights();
  if (quantised_) finish_step("rounded", false);
  description_.model = model_->definition();
  sizes_ = write_kndz(options_.out, packed(), to_metadata(description_), coder());
  progress_.finish();
  return true;
}

bool Compression::finish_step(const std::string& name, bool retrain) {
  if (retrain && retraining_ != nullptr && options_.epochs > 0) {
    progress_.print(fmt::format("{}: retraining, {}", name, counted(options_.epochs, "epoch")));
    if (!retraining_->train(*model_, progress_, stop_)) return false;
  }
  CompressionStep step{.name = name, .bytes = bytes_of(packed())};
  if (retraining_ != nullptr) {
    const Evaluation measured = retraining_->measure(*model_, stop_);
    step.top1 = measured.top1;
    step.top5 = measured.top5;
    step.loss = measured.loss;
  }
  steps_.push_back(step);
  return true;
}

// Tuning changes the biases, and so the size. Then the target is lowered by what is too much, and the model rounded
// anew.
void Compression::round_weights() {
  const auto images = std::make_shared<data::PictureFolder>(options_.calibrate, options_.data.open_options(0).decode);
  for (const std::string& note : images->notes()) progress_.on_note(note);
  const data::Transform transform = data::preprocess(*description_.preprocessing);
  const std::unique_ptr<Module> original = fold_batch_norm(*model_);
  progress_.print(fmt::format("calibrating on {}", counted(images->size(), "picture")));
  constexpr int64_t kViews = 2;  // of each picture: other pieces of it
  const Calibration calibration = calibrate(*original, images,
                                            {.transform = data::preprocess_at_random(*description_.preprocessing),
                                             .passes = kViews,
                                             .seed = options_.everywhere.seed,
                                             .reading = options_.data.reading,
                                             .stop = stop_});
  for (int64_t target = options_.bytes;;) {
    model_ = fold_batch_norm(*original);  // a copy
    QuantisedModel quantised =
        quantise(*model_, calibration,
                 {.lambda = options_.bytes > 0 ? 0 : options_.lambda,
                  .target_bytes = target,
                  .size = [&](const QuantisedModel& q) { return bytes_of(coded_tensors(*model_, q)); },
                  .stop = stop_});
    if (options_.passes > 0)
      distil(*original, *model_, quantised, images,
             {.transform = transform,
              .epochs = options_.passes,
              .seed = options_.everywhere.seed,
              .reading = options_.data.reading,
              .stop = stop_});
    quantised_ = std::move(quantised);
    const int64_t excess = bytes_of(packed()) - options_.bytes;
    if (options_.bytes == 0 || excess <= 0) return;
    constexpr int64_t kMargin = 200;  // bytes
    target -= excess + kMargin;
  }
}

std::vector<CodedTensor> Compression::packed() const {
  return quantised_ ? coded_tensors(*model_, *quantised_) : pack(*model_);
}

int64_t Compression::bytes_of(const std::vector<CodedTensor>& tensors) const {
  return kndz_sizes(tensors, to_metadata(description_), coder()).bytes;
}

void draw_steps(const std::vector<CompressionStep>& steps, const std::string& path) {
  std::ostringstream script;
  script << "$steps << EOD\n";
  for (const CompressionStep& step : steps)
    script << static_cast<double>(step.bytes) / 1e6 << ' ' << step.top1.value_or(0) << " \"" << step.name << "\"\n";
  script << "EOD\nset terminal svg size 720,480 font 'Helvetica,13' background '#ffffff'\n"
         << kPlotStyle << "set logscale x\nset xlabel 'size of the file, MB'\nset ylabel 'top-1, per cent'\nunset key\n"
         << "set offsets graph 0.1, graph 0.1, 1, 1\n"
         << "plot $steps using 1:2 with linespoints ls 2, $steps using 1:2:3 with labels offset 0,1 noenhanced\n";
  write_file(path, run_gnuplot(script.str()));
}

}  // namespace kindling::cli
