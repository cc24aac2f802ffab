// Accuracy of each class, and the confusion matrix, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/train/confusion.h>

namespace kindling::cli {

/// Makes the accuracy of each class and the confusion matrix from the answers of a classifier.
/// Class i is called `names[i]`, or "i" if there is no such name.
class ClassReport {
 public:
  ClassReport(const Confusion& confusion, std::vector<std::string> names);

  /// [{"name", "images", "top1"}], in the order of the classes. top1 is in per cent, or null
  /// without images.
  nlohmann::ordered_json classes() const;
  /// Row i, column j: images of class i that were taken for class j.
  nlohmann::ordered_json matrix() const;

  /// A table of the classes that have images. Of more than 30 classes, it shows the 20 with the
  /// lowest accuracy.
  std::string classes_text(const Style& style) const;
  /// The matrix. Of more than 20 classes, the 30 most frequent mistakes.
  std::string matrix_text(const Style& style) const;

 private:
  /// The classes that occur in the data or in the answers.
  std::vector<int64_t> classes_seen() const;
  std::string whole_matrix(const std::vector<int64_t>& seen, const Style& style) const;
  std::string frequent_mistakes(const Style& style) const;

  const Confusion& confusion_;
  std::vector<std::string> names_;
};

}  // namespace kindling::cli
