// What is on a picture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kindling/data/transforms.h>
#include <kindling/interop/weights.h>
#include <kindling/nn/module.h>
#include <kindling/train/step_plan.h>

namespace kindling {

struct Prediction {
  int64_t index = 0;       ///< of the class, from 0
  std::string label = {};  ///< its name; "class 7" where none is known
  double probability = 0;  ///< in [0, 1]
};

/// The most probable first; of equal ones the lower index first.
using Predictions = std::vector<Prediction>;

/// What a file shows, or why that cannot be told.
struct FileAnswer {
  Predictions top = {};
  std::string error = {};  ///< empty: it was read
};

/// Names what is on pictures. It needs nothing but a file of weights:
///
///     const Classifier classify("runs/photos/best.ckpt");
///     for (const auto& [index, label, probability] : classify("photo.jpg", 3))
///       std::cout << label << ": " << 100 * probability << " %\n";
///
/// A call uses all threads. Several threads may call at once.
class Classifier {
 public:
  /// A checkpoint of Trainer, or weights of any format that WeightsFile reads. Throws what
  /// load_model() throws, and FileError if nothing tells how a picture becomes an input.
  explicit Classifier(const std::string& weights);
  /// For a model that no file describes. Throws Error if `description` has no preprocessing.
  Classifier(std::unique_ptr<Module> model, Description description);
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;

  /// A JPEG, PNG or BMP file. Throws FileError as data::decode_image does.
  Predictions operator()(const std::string& file, int64_t top = 5) const;
  /// A decoded picture: u8 [H,W,C]. Colours become grey for models of grey pictures.
  Predictions operator()(const Tensor& picture, int64_t top = 5) const;
  /// Several at once, which is faster.
  std::vector<Predictions> operator()(const std::vector<Tensor>& pictures, int64_t top = 5) const;
  /// Files, in their order. Each thread decodes, resizes and names a few at a time, so that all are
  /// busy from the first file to the last.
  std::vector<FileAnswer> classify_files(const std::vector<std::string>& files, int64_t top = 5) const;

  /// The transform from a picture to an input. predict() takes inputs [N,H,W,C] that it has made.
  const data::Transform& transform() const { return transform_; }
  std::vector<Predictions> predict(const Tensor& inputs, int64_t top = 5) const;

  const Description& description() const { return description_; }

 private:
  struct Shared;  // between threads that call at once

  void prepare();
  StepPlan plan_for(const Shape& batch) const;
  std::vector<Predictions> predict_part(const Tensor& inputs, int64_t top) const;
  void classify_part(const std::vector<std::string>& files, const BatchPart& part, int64_t top,
                     std::vector<FileAnswer>& answers) const;
  Predictions best_of(const double* probabilities, int64_t classes, int64_t top) const;

  Description description_;
  std::unique_ptr<Module> model_;
  data::Transform transform_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace kindling
