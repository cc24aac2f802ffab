// What a folder of photographs held when a model was trained on it, so that it is known again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <kindling/data/folder.h>

namespace kindling::data {

/// A summary of the images in one class folder, made without opening them.
struct FolderSummary {
  int64_t files = 0, bytes = 0;
  uint64_t digest = 0;  ///< of their names and sizes, in order of the names
  bool operator==(const FolderSummary&) const = default;
};

/// What folder() was given and what it found. This is enough to tell whether another folder has the
/// same images, and to hold out the same ones again.
struct FolderRecord {
  ClassList classes;
  double val_share = 0;
  uint64_t seed = 0;
  std::map<std::string, FolderSummary> folders;  ///< by path below the root: "cat", or "train/cat"
};

/// `splits` is the result of folder(path, options).
FolderRecord record_folder(const std::string& path, const FolderOptions& options, const Splits& splits);

/// The first difference between the images of a folder now and then, in words. "" if there is none:
/// the same classes in the same order, and files with the same names and sizes.
std::string difference(const FolderRecord& then, const FolderRecord& now);

/// What training held out of the folder at `path`, which may have moved but must have the images of
/// the record. This is val/, or the share that was held out. If nothing was held out, it is test/,
/// else all images. If the images differ, `difference` says how, and there are no images.
struct HeldOut {
  EvalSet set;
  std::string difference;
};
HeldOut held_out_of(const std::string& path, const FolderRecord& record, const DecodeOptions& decode = {});

nlohmann::json to_json(const FolderRecord& record);
/// Throws Error with the entry's name if an entry is missing or has another type.
FolderRecord folder_record_from(const nlohmann::json& json);

/// What a checkpoint keeps of the data that it was trained on (Dataset::about). It contains no
/// path, so the data may move.
struct TrainedOn {
  std::string kind;                    ///< "shapes", "cifar10", "mnist", "folder"
  uint64_t seed = 0;                   ///< of the held-out share
  std::optional<FolderRecord> folder;  ///< of a folder
};

nlohmann::json to_json(const TrainedOn& trained_on);
/// Throws Error as folder_record_from() does.
TrainedOn trained_on_from(const nlohmann::json& json);

}  // namespace kindling::data
