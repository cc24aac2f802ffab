// Which classes a classifier takes for which.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <kindling/tensor/tensor.h>

namespace kindling {

/// The confusion matrix of a classifier: how many samples of each class were taken for each class.
/// Only entries above 0 take memory, so there may be thousands of classes.
class Confusion {
 public:
  /// `classes` is the number of the model's outputs.
  explicit Confusion(int64_t classes) : classes_(classes), samples_(static_cast<size_t>(classes)) {}

  /// Counts a sample of class `label` that was taken for class `answer`. kNone means no answer.
  void add(int64_t label, int64_t answer);
  static constexpr int64_t kNone = -1;

  int64_t classes() const { return classes_; }
  /// samples: how many samples have class `label`. count: how many of them were taken for `answer`.
  int64_t samples(int64_t label) const { return samples_[static_cast<size_t>(label)]; }
  int64_t count(int64_t label, int64_t answer) const;
  /// Per cent of the samples of class `label` that were recognised; nothing if there are no
  /// samples.
  std::optional<double> top1(int64_t label) const;

  /// `count` samples of class `label` that were taken for another, `answer`.
  struct Mistake {
    int64_t label = 0, answer = 0, count = 0;
  };
  /// All mistakes: the most frequent first, then in the order of the class numbers. Samples without
  /// an answer are not among them.
  std::vector<Mistake> mistakes() const;

 private:
  int64_t classes_;
  std::vector<int64_t> samples_;
  std::map<std::pair<int64_t, int64_t>, int64_t> counts_;  ///< by (label, answer)
};

/// The index of the largest output in each row of [N, classes]; the first of equal ones. NaN is
/// ignored, and a row of NaN alone gives Confusion::kNone. So an answer is right exactly where
/// top_k_hits counts it for k = 1.
std::vector<int64_t> answers(const Tensor& output);

}  // namespace kindling
