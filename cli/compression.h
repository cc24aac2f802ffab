// A model on its way to a small file: the steps of kindling compress.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/compress_options.h>
#include <kindling/cli/retraining.h>
#include <kindling/compress/agreement.h>
#include <kindling/compress/rate_distortion.h>
#include <kindling/compress/sensitivity.h>
#include <kindling/interop/description.h>
#include <kindling/io/kndz.h>
#include <kindling/train/terminal_progress.h>

namespace kindling::cli {

/// What a step has left.
struct CompressionStep {
  std::string name;
  int64_t bytes = 0;                                      ///< of the file, if it were written now
  std::optional<double> top1 = {}, top5 = {}, loss = {};  ///< in per cent; where there are labelled images
};

class Compression {
 public:
  /// `retraining` may be null; it must outlive this, as the options must.
  Compression(const CompressCommand& options, std::unique_ptr<Module> model, Description description,
              const Retraining* retraining, const std::atomic<bool>* stop);

  /// Every step that the options name, each followed by retraining, and then the file. False if it
  /// was stopped in a training, when nothing is written. Throws what the steps throw; Stopped from
  /// elsewhere.
  bool run();

  const std::vector<CompressionStep>& steps() const { return steps_; }
  /// Of the file that was written.
  const KndzSizes& sizes() const { return sizes_; }
  /// What the layers stand, if that was asked for.
  const std::optional<Sensitivity>& sensitivity() const { return sensitivity_; }
  std::vector<LayerDensity> proposed() const;
  /// With the model as it came, on the pictures of --calibrate, if there are any.
  const std::optional<Agreement>& agreement() const { return agreement_; }
  /// What a bit was worth, in nats, if weights were rounded by it.
  std::optional<double> lambda() const;
  Module& model() { return *model_; }

 private:
  /// Retrains, and remembers the size and the accuracy. False if it was stopped.
  bool finish(const std::string& step, const Retraining::Change& change = {});
  void remember(const std::string& step);
  bool prune_model();
  void round_weights();
  void read_back();
  QuantisedModel round_to(int64_t bytes, Module& before, const Calibration& calibration);
  /// The model as a file keeps it.
  std::vector<CodedTensor> packed() const;
  int64_t bytes_of(const std::vector<CodedTensor>& tensors) const;
  KndzCoder coder() const { return options_.coder == "huffman" ? KndzCoder::huffman : KndzCoder::range; }

  const CompressCommand& options_;
  std::unique_ptr<Module> model_, original_;  ///< the original only where it is compared with
  data::DatasetPtr pictures_;                 ///< of --calibrate
  Description description_;
  const Retraining* retraining_;
  TerminalProgress progress_;
  const std::atomic<bool>* stop_;
  std::optional<Sensitivity> sensitivity_;
  std::optional<QuantisedModel> quantised_;  ///< once its weights are on a grid
  std::optional<Agreement> agreement_;
  std::vector<CompressionStep> steps_;
  KndzSizes sizes_;
};

/// Draws top-1 against the bytes after each step, as SVG. Throws FileError if it cannot be drawn.
void draw_steps(const std::vector<CompressionStep>& steps, const std::string& path);

}  // namespace kindling::cli
