// What images say of how much each weight of a model matters.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <kindling/compress/curvature.h>
#include <kindling/data/loader.h>
#include <kindling/nn/module.h>

namespace kindling {

struct CalibrationOptions {
  data::Transform transform = {};  ///< of images to inputs; empty: standardize_pixels
  int64_t passes = 1;              ///< over the images; worth more than one if the transform is random
  int64_t labels = 2;              ///< drawn for each image
  int64_t widest = 2048;           ///< columns; wider layers get the diagonal of H alone
  double shrinkage = 0.5;          ///< in [0, 1]: the share of the inputs' covariance in H
  uint64_t seed = 0;
  data::ReadOptions reading = {};
  std::function<void(int64_t done, int64_t total)> progress = {};  ///< in images
  const std::atomic<bool>* stop = nullptr;                         ///< becomes true: Stopped is thrown
};

struct LayerCurvature {
  std::string path;               ///< of a WeightLayer
  std::vector<Curvature> groups;  ///< one for each of its groups of rows
};

struct Calibration {
  std::vector<LayerCurvature> layers;  ///< in the order of weight_layers()
  int64_t samples = 0;                 ///< images times labels
};

/// The curvature, in every layer, of the mean Kullback-Leibler divergence KL(p || p') in nats: p
/// are the model's predictions as they are, and p' after a change of its weights. To second order
/// that is 1/2 d'Fd with the Fisher matrix
///   F = E[g g'],  g = d(-log p_y)/d(weights),
/// over images, and over classes y drawn from the model's own p. No labels are needed. Of a layer's
/// block of F, [O K, O K], the mean over its O rows is kept:
///   H = E[sum_o g_o g_o'] / O,  [K, K],
/// less what the biases make good: with b_o the gradient of bias o,
///   H -= r r' / s,  r = E[sum_o g_o b_o] / O,  s = E[sum_o b_o^2] / O.
///
/// The gradient of an image is taken as a whole, over all places where a convolution uses a weight:
/// their errors are alike and add up. (If they are taken as independent, as GPTQ does, the
/// divergence of the last layers of SqueezeNet comes out up to 16 times too small.)
///
/// But a few hundred images leave H noisy, and rounding would look for the directions in which it
/// is too small by chance. So H is drawn towards the covariance of the layer's inputs x, of which
/// every image has one for each pixel, scaled to the same trace:
///   H = (1 - s) H + s Cov(x) tr(H) / tr(Cov(x)),   s = shrinkage.
/// Without a bias it is E[x x'] in the place of Cov(x).
///
/// The model is in evaluation mode meanwhile. Same bits for any number of threads. Throws
/// ShapeError for options out of range and unless the model gives logits [N, classes]; as a Loader
/// does; Stopped.
Calibration calibrate(Module& model, const data::DatasetPtr& images, const CalibrationOptions& options = {});

}  // namespace kindling
