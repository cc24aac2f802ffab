// What is on a picture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kindling/data/transforms.h>
#include <kindling/nn/module.h>
#include <kindling/train/description.h>
#include <kindling/train/step_plan.h>

namespace kindling {

struct Prediction {
  int64_t index = 0;       ///< of the class, from 0
  std::string label = {};  ///< its name; "class 7" where none is known
  double probability = 0;  ///< in [0, 1]
};

/// The most probable first; of equal ones the lower index first.
using Predictions = std::vector<Prediction>;

/// Names what is on pictures. It needs nothing but a checkpoint of Trainer:
///
///     Classifier classify("runs/photos/best.ckpt");
///     for (const auto& [index, label, probability] : classify("photo.jpg", 3))
///       std::cout << label << ": " << 100 * probability << " %\n";
///
/// A call uses all threads. A Classifier serves one caller at a time.
class Classifier {
 public:
  /// Throws what load_model() throws, and FileError if the checkpoint has no preprocessing.
  explicit Classifier(const std::string& checkpoint);
  /// For a model that no checkpoint describes. Throws Error if `description` has no preprocessing.
  Classifier(std::unique_ptr<Module> model, Description description);

  /// A JPEG, PNG or BMP file. Throws FileError as data::decode_image does.
  Predictions operator()(const std::string& file, int64_t top = 5);
  /// A decoded picture: u8 [H,W,C]. Colours become grey for models of grey pictures.
  Predictions operator()(const Tensor& picture, int64_t top = 5);
  /// Several at once, which is faster.
  std::vector<Predictions> operator()(const std::vector<Tensor>& pictures, int64_t top = 5);

  /// The transform from a picture to an input, for loaders. predict() takes inputs [N,H,W,C] that
  /// it has made.
  const data::Transform& transform() const { return transform_; }
  std::vector<Predictions> predict(const Tensor& inputs, int64_t top = 5);

  const Description& description() const { return description_; }

 private:
  void prepare();
  Predictions best_of(const double* probabilities, int64_t classes, int64_t top) const;

  Description description_;
  std::unique_ptr<Module> model_;
  data::Transform transform_;
  Shape planned_;  ///< of the inputs for which plan_ was made
  StepPlan plan_;
};

}  // namespace kindling
