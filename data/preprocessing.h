// How a picture becomes the input of a model.
#pragma once

#include <cstdint>
#include <vector>

#include <kindling/data/transforms.h>

namespace kindling::data {

/// How a picture becomes an input. Its shorter side is resized to `shorter` pixels, the middle size
/// x size is cut out, and every pixel x in 0..255 becomes (x - mean) / std, in f32. With the
/// defaults a picture keeps its size, and photographs get a mean near 0 and a deviation near 1.
struct Preprocessing {
  int64_t size = 0;                             ///< pixels, height and width; 0: those of the picture
  int64_t shorter = 0;                          ///< pixels, at least `size`, 0 without one; 0: `size`
  std::vector<double> mean{127.5}, std{63.75};  ///< one for each channel, or one for all
  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

/// The transform for pictures u8 [H,W,C]. Other inputs stay as they are. Throws ShapeError if
/// `preprocessing` makes no sense. The transform throws it for another number of channels.
Transform preprocess(const Preprocessing& preprocessing);

}  // namespace kindling::data
