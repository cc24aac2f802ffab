// Pictures by gnuplot.
#pragma once

#include <cstdint>
#include <string>

namespace kindling {

/// The look of all plots, as commands of gnuplot: border, grid, key, and the line styles 1 (pale)
/// to 4.
extern const char kPlotStyle[];

/// The beginning of a script that draws SVG of so many pixels in this look.
std::string svg_head(int64_t width, int64_t height);

/// Runs gnuplot on `script` and returns what it writes to standard output. Throws FileError if
/// gnuplot is not installed or fails, saying so.
std::string run_gnuplot(const std::string& script);

}  // namespace kindling
