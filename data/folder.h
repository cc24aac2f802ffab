// Photographs in folders, one folder a class.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/data/image.h>

namespace kindling::data {

/// Whether a file of this name is taken for an image: .jpg, .jpeg, .png or .bmp, in small letters or large.
bool is_image_name(const std::string& name);

/// Numbers of pictures in formats that are not read, by format.
using OtherFormats = std::map<std::string, int64_t>;
/// Counts a file with a name like those of WebP, GIF, ... and passes over others.
void count_other_format(const std::string& name, OtherFormats& counts);
/// "GIF (1 file), WebP (12 files): not read; ..."
std::string describe(const OtherFormats& counts);

/// The classes of a folder: class i is the folder `folders[i]`, shown to people as `names[i]`.
struct ClassList {
  std::vector<std::string> folders, names;
  bool operator==(const ClassList&) const = default;
};

/// The sub-folders of `path` in order of their names, each named as itself.
/// Throws FileError if there is no such folder, no sub-folder in it, or one whose name is not UTF-8.
ClassList list_classes(const std::filesystem::path& path);
/// Line i of `file`: the folder name of class i, blanks, and what to call it (the folder name if there is no more).
/// Throws FileError with the line's number for an empty line, one that is not UTF-8, or a folder named twice.
ClassList read_labels(const std::filesystem::path& file);

/// The images PATH/CLASS/* (.jpg, .jpeg, .png, .bmp in any case) in order of class and file name. Hidden files, other
/// files and deeper folders are passed over; pictures of other formats (WebP, GIF, ...) are counted in notes(), and
/// links beside the class folders that lead nowhere are named there. get() gives u8 [H,W,3] in the size of the file;
/// of what has an image's name but is no file (a named pipe, a link that leads nowhere) it throws FileError.
class ImageFolder : public Dataset {
 public:
  /// Classes without a folder in `path` have no samples. Throws FileError if `path` is no folder, a folder in it is not
  /// in `classes`, or a class's folder holds no image.
  ImageFolder(const std::filesystem::path& path, ClassList classes, DecodeOptions decode = {});
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  Sample get(int64_t index) const override;
  std::string describe(int64_t index) const override;
  std::vector<std::string> classes() const override { return classes_.names; }
  std::vector<std::string> notes() const override { return notes_; }

 private:
  struct File {
    std::string name;
    int64_t label;
  };
  void add_class(int64_t label, OtherFormats& other_formats);

  std::filesystem::path root_;
  ClassList classes_;
  DecodeOptions decode_;
  std::vector<File> files_;
  std::vector<std::string> notes_;
};

/// Held out by default of a flat folder, and of train/ where there is no val/.
inline constexpr double kFlatShare = 0.2, kTrainShare = 0.05;

struct FolderOptions {
  /// Pixels: every image is resized to this shorter side and its
  /// middle square cut out as it is read. 0 leaves it as is.
  int64_t size = 0;
  /// Held out where there is no val/; by default kFlatShare or kTrainShare. 0: nothing.
  std::optional<double> val_share{};
  uint64_t seed = 0;     ///< of the choice of the held-out images
  std::string labels{};  ///< a file for read_labels; empty: the folders in order of their names
  DecodeOptions decode{};
  ClassList classes{};  ///< if not empty, instead of `labels`
};

/// PATH/train/CLASS/* with, where they exist, PATH/val/CLASS/* and PATH/test/CLASS/*; or a flat folder PATH/CLASS/*.
/// Throws FileError as ImageFolder does, if there are fewer than two classes, or if the class folders of val/ or test/
/// are not those of train/ (with labels: not in the list). `train` tells checkpoints what the folder held, so that
/// `kindling eval` finds what was held out of it (folder_record.h).
Splits folder(const std::filesystem::path& path, const FolderOptions& options = {});

/// What to measure a trained model on: val/ if there is one, else test/, else all images of a flat folder. With train/
/// alone, its held-out share, or all of it for a share of 0.
EvalSet folder_for_eval(const std::filesystem::path& path, const FolderOptions& options = {});

}  // namespace kindling::data
