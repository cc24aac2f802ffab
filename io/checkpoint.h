// A training run's whole state in one safetensors file.
#pragma once

#include <map>
#include <string>

#include <kindling/io/weights.h>
#include <kindling/nn/module.h>
#include <kindling/optim/optimizer.h>

namespace kindling {

/// The states of whatever takes part in a run, by name: "optimizer", "schedule", "run".
using States = std::map<std::string, State>;

/// Writes a checkpoint, atomically. Parameters and buffers have their own names, so the file can
/// also be used as a file of weights. Entry e of state s has the name "@s/e". `about` goes into the
/// metadata. The bytes depend on the arguments alone, not on time, host or threads.
void save_checkpoint(const std::string& path, Module& model, const States& states, const Metadata& about = {});

/// The version of the checkpoint's format, or "" for a file of weights. Version "1" has no
/// description of itself and no checksums.
std::string checkpoint_version(const SafetensorsFile& file);

/// Fills the model and returns the states. Throws FileError if the file is not a checkpoint, or
/// does not fit the model (as load() does). The model is unchanged then.
States load_checkpoint(const std::string& path, Module& model);

/// Reads a number from a state: `scalar<int64_t>(state, "epoch")`. Throws Error, with the entry's
/// name, if the entry is missing or is not one number of that type.
template <class T>
T scalar(const State& state, const std::string& name) {
  const auto entry = state.find(name);
  if (entry == state.end()) throw Error("state has no entry \"" + name + "\"");
  if (entry->second.numel() != 1 || entry->second.dtype() != dtype_of<T>())
    throw Error("state entry \"" + name + "\" is not one " + name_of(dtype_of<T>()));
  return entry->second.item<T>();
}

}  // namespace kindling
