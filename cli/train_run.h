// A whole training: from the options of kindling train to the files in its run folder.
#pragma once

#include <optional>

#include <kindling/cli/train_options.h>
#include <kindling/cli/training.h>
#include <kindling/data/open.h>
#include <kindling/train/terminal_progress.h>
#include <kindling/train/trainer.h>

namespace kindling::cli {

struct Trained {
  TrainResult result = {};
  data::Splits data = {};
  std::optional<Baseline> baseline = {};

  /// What is reported of fine-tuning, test/ or else what was held out: its images, and how it went.
  const data::DatasetPtr& measured() const { return data.test ? data.test : data.val; }
  const std::optional<Evaluation>& evaluation() const { return data.test ? result.test : result.validation; }
};

/// Trains by options that went through apply_layers(), until the epochs are done or a signal asks
/// to stop (Interrupt). Without --out it makes a folder in runs/. A DivergedError or
/// DeadNetworkError becomes an Error that says which options may help. Throws UsageError for
/// options without effect, and what Trainer::fit() throws.
Trained train_run(TrainCommand& options, const Settings& settings, TerminalProgress& progress);

}  // namespace kindling::cli
