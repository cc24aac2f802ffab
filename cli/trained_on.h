// What a checkpoint says of the data that it was trained on, and what follows from it.
#pragma once

#include <optional>
#include <string>

#include <kindling/data/folder_record.h>
#include <kindling/data/open.h>
#include <kindling/interop/weights.h>

namespace kindling::cli {

using data::TrainedOn;

/// `train` is what open_dataset(spec, options) gave.
TrainedOn describe_data(const std::string& spec, const data::OpenOptions& options, const data::Dataset& train);
/// Nothing if the file does not say it, as older checkpoints. Throws FileError if the entry is
/// damaged.
std::optional<TrainedOn> read_trained_on(const WeightsFile& checkpoint);
std::optional<TrainedOn> read_trained_on(const std::string& checkpoint);

/// The difference between the data `before` and `now`, in words; "" if there is none. Of folders
/// the images and classes are compared, of other data only the kind.
std::string difference(const TrainedOn& before, const TrainedOn& now);

/// The data to measure a model on.
struct EvalChoice {
  data::EvalSet set;
  bool by_record = false;  ///< by what the checkpoint says of its folder; options.seed and .val_share had no part in it
  std::string note = {};   ///< what the user should know of the choice, if anything
};

/// Of the folder that the model was trained on: what training held out. Of other data: what
/// data::open_for_eval returns. Without options.labels, the classes of another folder have the
/// numbers of training, if they are all among those.
EvalChoice choose_for_eval(const std::string& spec, data::OpenOptions options,
                           const std::optional<TrainedOn>& trained_on);

/// Throws FileError if `spec` is a folder that does not exist. For the data of a run, which may
/// have moved: the message says how to tell its new place.
void check_not_moved(const std::string& spec);

}  // namespace kindling::cli
