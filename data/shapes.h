// `shapes`: a data set without files, drawn from a seed.
#pragma once

#include <kindling/data/dataset.h>

namespace kindling::data {

/// 32x32 RGB images of ten figures: disc, ring, square, triangle, star, cross, crescent, arrow,
/// heart, hourglass. Each image has one figure, turned by any angle, moved, scaled, textured and in
/// random colours. The background is textured and noisy, with strokes and blobs behind the figure
/// and across it. Only the outline tells the class. A linear classifier of the pixels hardly beats
/// chance. Image i is a function of (seed, i), and its class is i mod 10.
class Shapes : public Dataset {
 public:
  Shapes(int64_t count, uint64_t seed);
  int64_t size() const override { return count_; }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  std::vector<std::string> classes() const override;

 private:
  int64_t count_;
  uint64_t seed_;
};

struct ShapesOptions {
  int64_t count = 10'000;     ///< images to train on
  int64_t val_count = 2'000;  ///< images to validate on
  uint64_t seed = 0;
};
/// Training images use the seed 2 * seed, validation images 2 * seed + 1. So the training images of
/// one seed are never the validation images of another. There is no test part.
Splits shapes(const ShapesOptions& options = {});

}  // namespace kindling::data
