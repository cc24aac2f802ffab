// The worst mistakes of a classifier, by file name.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/cli/output.h>
#include <kindling/data/dataset.h>
#include <kindling/train/metrics.h>

namespace kindling::cli {

/// [{"file", "class", "taken_for", "probability"}], in their order. `images` is what was evaluated.
nlohmann::ordered_json mistakes_json(const std::vector<Mistake>& mistakes, const data::Dataset& images);
/// As a table with a heading, or "" without mistakes.
std::string mistakes_text(const std::vector<Mistake>& mistakes, const data::Dataset& images, const Style& style);

}  // namespace kindling::cli
