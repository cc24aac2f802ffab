// The plot of an experiment: accuracy against size or against multiply-adds.
#pragma once

#include <string>
#include <vector>

#include <kindling/cli/sweep/experiments.h>

namespace kindling::cli {

/// Writes FOLDER/plot.svg and plot.png. Points without an accuracy are left out. Throws FileError
/// if gnuplot fails.
void draw_plot(const std::string& folder, const Experiment& experiment, std::vector<PointResult> points);

}  // namespace kindling::cli
