// Measures of how good a model's outputs are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/tensor/tensor.h>
#include <kindling/train/confusion.h>

namespace kindling {

/// A metric of your own: the mean of `value` over the samples. For example {"mae",
/// mean_absolute_error}. It is called from several threads at once.
struct Metric {
  std::string name;
  /// Mean over the samples of one batch.
  std::function<double(const Tensor& output, const Tensor& target)> value;
};

/// How many of the samples have their class among the k largest outputs. output [N,
/// classes], target [N] i64. Among equal outputs the lower class number comes first;
/// NaN is never among the largest. Throws ShapeError if the shapes do not fit.
int64_t top_k_hits(const Tensor& output, const Tensor& target, int64_t k);

/// Whether these are the outputs and targets of a classifier: [N, classes] and [N] i64.
bool is_classification(const Tensor& output, const Tensor& target);

/// Totals of a set of samples. Parts are added in a fixed order, so the bits do not depend on
/// threads.
struct Totals {
  int64_t samples = 0;
  double loss = 0;  ///< sum of weight * mean loss
  double weight = 0;
  int64_t classes = 0;               ///< outputs of a classifier, at least so many; 0: of others, without hits
  int64_t hits1 = 0, hits5 = 0;      ///< samples whose class is the largest output, or among the five largest
  std::vector<double> metrics = {};  ///< sums over samples, in the order of the user's metrics

  void add(const Totals& other);
  double mean_loss() const { return loss / weight; }
  /// Per cent, for classifiers. top5() is also empty for up to five classes, where it would always
  /// be 100.
  std::optional<double> top1() const;
  std::optional<double> top5() const;
};

/// The totals of one part of a batch, from its mean loss and the weight of that (see Loss). Without
/// metrics of the user.
Totals measure(const Tensor& output, const Tensor& target, double loss, double weight);

/// A sample whose class a classifier got wrong.
struct Mistake {
  int64_t sample = 0;             ///< its number in the data set
  int64_t label = 0, answer = 0;  ///< classes: its own, and the one that it was taken for
  double probability = 0;         ///< of the answer, in [0, 1]
};

/// The result of an evaluation on a whole data set.
struct Evaluation {
  int64_t samples = 0;
  double loss = 0;
  std::optional<double> top1 = {}, top5 = {};  ///< per cent, of classifiers; top-5 of those with over five classes
  std::optional<Confusion> confusion = {};     ///< of classifiers, with the accuracy of each class
  std::vector<Mistake> mistakes = {};          ///< EvaluateOptions::mistakes of them: the highest probability first
  std::map<std::string, double> metrics = {};  ///< the user's, by name
  double images_per_second = 0;
  std::vector<std::string> skipped = {};  ///< messages of samples that could not be read
};

}  // namespace kindling
