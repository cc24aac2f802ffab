// What a finished sweep leaves: tables, claims, commands, times and a plot.
#pragma once

#include <string>
#include <vector>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/plan.h>
#include <kindling/cli/sweep/results.h>

namespace kindling::cli {

/// Writes into the folder of the sweep:
///   table.md, points.csv    accuracy and size of each point, beside the paper's
///   claims.md               what holds
///   commands.md, runs.csv   every command and what it gave
///   plot.svg, plot.png      accuracy against size, or multiply-adds
///   times.md, times.csv     time and memory; speed.md if the experiment measures speed
/// All but the last row is the same whenever the sweep is repeated with the same seed. Throws
/// FileError if a file cannot be written or gnuplot fails.
void write_report(const std::string& folder, const Experiment& experiment, const Plan& plan,
                  const std::vector<PointResult>& points);

/// The table for a terminal, and for table.md.
std::vector<std::string> headings_of(const Experiment& experiment, const Plan& plan);
std::vector<std::vector<std::string>> rows_of(const Experiment& experiment, const std::vector<PointResult>& points);

/// What stands below claims that rest on one seed.
std::string about_one_seed(const std::string& folder);
bool has_one_seed(const std::vector<PointResult>& points);

/// "holds", "holds in part", "does not hold", "not clear".
const char* word_of(Verdict verdict);

}  // namespace kindling::cli
