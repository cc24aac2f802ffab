// How far the predictions of a model are from those of another.
#pragma once

#include <cstdint>

#include <kindling/autograd/variable.h>
#include <kindling/data/dataset.h>
#include <kindling/nn/module.h>
#include <kindling/train/evaluate.h>

namespace kindling {

/// The mean over the rows of KL(softmax(p) || softmax(q)), in nats: logits [N, classes], p are
/// constants. Throws ShapeError if they do not have the same two axes.
Variable mean_divergence(const Tensor& p, const Variable& q);
/// Likewise, computed in double.
double mean_divergence(const Tensor& p, const Tensor& q);

struct Agreement {
  int64_t images = 0;
  double same_class = 0;  ///< on how many per cent of the images the most probable class is the same
  double divergence = 0;  ///< mean KL(p || q) in nats
};

/// Compares the predictions q of `model` with the predictions p of `original`, both in evaluation
/// mode meanwhile, on images that need no labels. Of `how`, loss, metrics and mistakes have no
/// effect. Throws as evaluate() does, and ShapeError unless both give logits [N, classes].
Agreement compare_predictions(Module& original, Module& model, const data::DatasetPtr& images,
                              const EvaluateOptions& how = {});

}  // namespace kindling
