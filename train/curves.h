// Pictures of a training run.
#pragma once

#include <string>

#include <kindling/tensor/check.h>

namespace kindling {

/// Draws RUN/curves.svg from RUN/metrics.jsonl with gnuplot: loss (training, validation)
/// and, of classifiers, top-1 and top-5, against epochs. Throws FileError if gnuplot is
/// not installed or fails, saying so; curves.svg is then as it was before.
void draw_curves(const std::string& run);

}  // namespace kindling
