// From nothing to a small file: the training that kindling compress begins with when it is given no weights.
#pragma once

#include <string>

#include <kindling/cli/options.h>

namespace kindling::cli {

struct FirstTraining {
  std::string recipe;  ///< a preset of kindling train, or a JSON file of its options; empty: as it chooses by the data
  std::string run;     ///< the run folder, which is gone on with if it holds a run
};

/// Trains a model by the recipe. What the user has named of model, data and pixels (`settings`)
/// takes the place of the recipe's. Returns the checkpoint; "" if a signal has asked to stop.
/// Throws what kindling train does, and UsageError if the folder holds a run with other ones.
std::string train_first(const FirstTraining& training, const Everywhere& everywhere, const Settings& settings);

}  // namespace kindling::cli
