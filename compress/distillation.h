// Bringing the predictions of a rounded model back to those of the original, without a byte more.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include <kindling/compress/rate_distortion.h>
#include <kindling/data/loader.h>
#include <kindling/nn/module.h>

namespace kindling {

struct DistillationOptions {
  data::Transform transform = {};  ///< of images to inputs; empty: standardize_pixels
  int64_t epochs = 5;              ///< over the images
  int64_t batch_size = 20;
  /// Of Adam, falling to 0 along a half cosine. Steps are learnt as factors of what they were; a
  /// bias in units of the layer's mean absolute bias.
  double lr = 0.003;
  uint64_t seed = 0;
  data::ReadOptions reading = {};
  /// Called after each batch, with the mean divergence of the batch, in nats.
  std::function<void(int64_t done, int64_t total, double divergence)> progress = {};
  const std::atomic<bool>* stop = nullptr;  ///< becomes true: Stopped is thrown, and nothing has changed
};

/// Moves the steps and the biases of `model`, whose weights are those of `quantised`, so that KL(p
/// || p') falls: p are the predictions of `original`, p' those of `model`, on images without
/// labels. The codes of weights stay; biases go back to their grid at the end. Hinton, Vinyals and
/// Dean, arXiv:1503.02531, at temperature 1. Both models give logits [N, classes] and are in
/// evaluation mode meanwhile. Throws as set_weights() and a Loader do.
void distil(Module& original, Module& model, QuantisedModel& quantised, const data::DatasetPtr& images,
            const DistillationOptions& options = {});

}  // namespace kindling
