// The beginning of a run, new or resumed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <kindling/train/run_folder.h>
#include <kindling/train/tensorboard.h>
#include <kindling/train/trainer.h>
#include <kindling/train/training_state.h>

namespace kindling {

struct OpenRun {
  std::unique_ptr<RunFolder> folder;
  std::unique_ptr<EventWriter> events;  ///< null: none are wanted
};

/// Opens FitOptions::run. To resume, takes its last checkpoint into the state, and removes from
/// metrics.jsonl and the event files what will come again. `note` is told what the user should
/// know. Throws FileError.
OpenRun open_run(TrainingState& state, const TrainerOptions& how, const FitOptions& options,
                 const std::function<void(const std::string& text)>& note);

}  // namespace kindling
