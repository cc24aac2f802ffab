// `shapes`: a data set without files, drawn from a seed.
#pragma once

#include <kindling/data/dataset.h>

namespace kindling::data {

/// 32x32 RGB images of ten figures (disc, ring, square, triangle, star, cross, crescent, arrow,
/// heart, hourglass), one an image: turned by any angle, moved, scaled, textured, in random colours
/// on a textured, noisy background, with strokes and blobs behind it and across it. Colour and
/// position say nothing about the class, so that a linear classifier of the pixels hardly beats
/// chance; the outline says all. Image i is a function of (seed, i) alone; its class is i mod 10.
class Shapes : public Dataset {
 public:
  Shapes(int64_t count, uint64_t seed);
  int64_t size() const override { return count_; }
  Sample get(int64_t index) const override;
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
/// Training images from the seed 2 * seed and validation images from 2 * seed + 1: no two calls mix
/// the one with the other. There is no test part.
Splits shapes(const ShapesOptions& options = {});

}  // namespace kindling::data
