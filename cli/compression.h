// A model on its way to a small file: the steps of kindling compress.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kindling/cli/compress_options.h>
#include <kindling/cli/retraining.h>
#include <kindling/compress/rate_distortion.h>
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
  /// was stopped; then nothing is written. Throws what the steps throw.
  bool run();

  const std::vector<CompressionStep>& steps() const { return steps_; }
  /// Of the file that was written.
  const KndzSizes& sizes() const { return sizes_; }
  Module& model() { return *model_; }

 private:
  /// Retrains after what `name` says was done. False if it was stopped.
  bool finish_step(const std::string& name, bool retrain);
  void round_weights();
  /// The model as a file keeps it.
  std::vector<CodedTensor> packed() const;
  int64_t bytes_of(const std::vector<CodedTensor>& tensors) const;
  KndzCoder coder() const { return options_.coder == "huffman" ? KndzCoder::huffman : KndzCoder::range; }

  const CompressCommand& options_;
  std::unique_ptr<Module> model_;
  Description description_;
  const Retraining* retraining_;
  TerminalProgress progress_;
  const std::atomic<bool>* stop_;
  std::optional<QuantisedModel> quantised_;  ///< once its weights are on a grid
  std::vector<CompressionStep> steps_;
  KndzSizes sizes_;
};

/// Draws top-1 against the bytes after each step, as SVG. Throws FileError if it cannot be drawn.
void draw_steps(const std::vector<CompressionStep>& steps, const std::string& path);

}  // namespace kindling::cli
