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
  std::vector<double> mean{127.5}, std{63.75};  ///< one for each channel of the input, or one for all
  /// Whether all of the picture is resized to shorter x shorter, whatever its ratio of sides.
  bool whole = false;
  /// Whether the input's channels are blue, green and red. Those of pictures are red, green, blue.
  bool bgr = false;
  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

/// Of torchvision's ImageNet models: the shorter side to 256 pixels, the middle 224; pixels in 0..1
/// minus (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225), here in the units of 0..255.
Preprocessing torchvision_preprocessing();
/// Of Caffe's ImageNet models: the whole picture to 256 x 256 pixels, the middle 227; blue, green
/// and red in 0..255, minus (104, 117, 123).
Preprocessing caffe_preprocessing();

/// Its first part, for a `size` above 0: the picture is resized, and the middle cut out.
Transform cut_out(const Preprocessing& preprocessing);
/// The transform for pictures u8 [H,W,C]. Other inputs stay as they are. Throws ShapeError if
/// `preprocessing` makes no sense. The transform throws it for another number of channels than mean
/// has, and than 3 with `bgr`.
Transform preprocess(const Preprocessing& preprocessing);
/// The same, but the piece comes from a random place instead of the middle, and half of the
/// pictures are mirrored: more views of few pictures.
Transform preprocess_at_random(const Preprocessing& preprocessing);

}  // namespace kindling::data
