// Pictures by gnuplot.
#pragma once

#include <string>

namespace kindling {

/// The look of all plots, as commands of gnuplot: border, grid, key, and the line styles 1 (pale)
/// to 4.
extern const char kPlotStyle[];

/// Runs gnuplot on `script` and returns what it writes to standard output. Throws FileError if
/// gnuplot is not installed or fails, saying so.
std::string run_gnuplot(const std::string& script);

}  // namespace kindling
