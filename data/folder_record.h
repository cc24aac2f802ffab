// What a folder of photographs held when a model was trained on it, so that it is known again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <kindling/data/folder.h>

namespace kindling::data {

/// The images of one class folder, as far as it tells without opening them.
struct FolderSummary {
  int64_t files = 0, bytes = 0;
  uint64_t digest = 0;  ///< of their names and sizes, in order of the names
  bool operator==(const FolderSummary&) const = default;
};

/// What folder() was given and found: enough to find out whether another folder holds the same images, and to hold out
/// the same ones again.
struct FolderRecord {
  ClassList classes;
  double val_share = 0;
  uint64_t seed = 0;
  std::map<std::string, FolderSummary> folders;  ///< by path below the root: "cat", or "train/cat"
};

/// `splits` is what folder(path, options) gave.
FolderRecord record_folder(const std::filesystem::path& path, const FolderOptions& options, const Splits& splits);

/// What differs first in the images of a folder `now` from those in `then`, in words; "" if nothing does: the same
/// classes in the same order, and files of the same names and sizes.
std::string difference(const FolderRecord& then, const FolderRecord& now);

/// What training held out of the folder at `path`, if that has the images of the record still, wherever it lies now:
/// val/, or the share that was held out; where nothing was, test/, or else all images. Otherwise `difference` says what
/// differs and no images are given.
struct HeldOut {
  EvalSet set;
  std::string difference;
};
HeldOut held_out_of(const std::filesystem::path& path, const FolderRecord& record, const DecodeOptions& decode = {});

nlohmann::json to_json(const FolderRecord& record);
/// Throws Error naming the entry if one is missing or of another type.
FolderRecord folder_record_from(const nlohmann::json& json);

/// What a checkpoint tells of the data that it was trained on (Dataset::about). It holds no path, so that the data may
/// move.
struct TrainedOn {
  std::string kind;                    ///< "shapes", "cifar10", "mnist", "folder"
  uint64_t seed = 0;                   ///< of the held-out share
  std::optional<FolderRecord> folder;  ///< of a folder
};

nlohmann::json to_json(const TrainedOn& trained_on);
/// Throws Error as folder_record_from() does.
TrainedOn trained_on_from(const nlohmann::json& json);

}  // namespace kindling::data
