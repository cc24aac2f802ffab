// How the images of `shapes` are drawn. Not part of the public interface.
#pragma once

#include <array>
#include <cstdint>

#include <kindling/tensor/rng.h>

namespace kindling::data {

constexpr int kShapesSide = 32;  // pixels
constexpr std::array<const char*, 10> kFigures{"disc",  "ring",     "square", "triangle", "star",
                                               "cross", "crescent", "arrow",  "heart",    "hourglass"};

/// Draws figure `figure` (an index of kFigures) into `pixels` [32,32,3], with random numbers from
/// `rng`.
void draw_figure(int figure, Rng rng, uint8_t* pixels);

}  // namespace kindling::data
