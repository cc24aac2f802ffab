// Photographs in folders, one folder a class.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/data/image.h>

namespace kindling::data {

/// Whether this is the name of an image: .jpg, .jpeg, .png or .bmp, in upper or lower case.
bool is_image_name(const std::string& name);

/// How many pictures have formats that cannot be read, by format.
using OtherFormats = std::map<std::string, int64_t>;
/// Counts the file if its name is that of a WebP, GIF, ... picture.
void count_other_format(const std::string& name, OtherFormats& counts);
/// "GIF (1 file), WebP (12 files): not read; ..."
std::string describe(const OtherFormats& counts);

/// The classes of a folder. Class i is the folder `folders[i]`, and `names[i]` is shown to people.
struct ClassList {
  std::vector<std::string> folders, names;
  bool operator==(const ClassList&) const = default;
};

/// The sub-folders of `path` in alphabetical order, each named as itself. Throws FileError if
/// `path` is no folder or has no sub-folder, or if a name is not UTF-8.
ClassList list_classes(const std::string& path);
/// Line i of `file` is: the folder name of class i, blanks, and what to call the class (by default
/// the folder name). Throws FileError with the line's number if a line is empty or not UTF-8, or
/// names a folder a second time.
ClassList read_labels(const std::string& file);

/// The images PATH/CLASS/* (.jpg, .jpeg, .png, .bmp in any case), in the order of class and file
/// name. get() returns u8 [H,W,3] in the size of the file.
///
/// Hidden files, other files and deeper folders are ignored. notes() counts pictures of other
/// formats (WebP, GIF, ...), and names links beside the class folders that lead nowhere. get()
/// throws FileError for a name of an image that is no file (a named pipe, a link that leads
/// nowhere).
class ImageFolder : public Dataset {
 public:
  /// Classes without a folder in `path` have no samples. Throws FileError if `path` is no folder,
  /// if a folder in it is not in `classes`, or if a class's folder has no image.
  ImageFolder(const std::string& path, ClassList classes, DecodeOptions decode = {});
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override { return file(index).label; }
  std::string describe(int64_t index) const override;
  std::vector<std::string> classes() const override { return classes_.names; }
  std::vector<std::string> notes() const override { return notes_; }

 private:
  struct File {
    std::string name;
    int64_t label;
  };
  const File& file(int64_t index) const;
  void add_class(int64_t label, OtherFormats& other_formats);

  std::string root_;
  ClassList classes_;
  DecodeOptions decode_;
  std::vector<File> files_;
  std::vector<std::string> notes_;
};

/// The shares held out by default: of a flat folder, and of train/ without a val/.
inline constexpr double kFlatShare = 0.2, kTrainShare = 0.05;

struct FolderOptions {
  /// In pixels. Every image is read, resized to this shorter side, and its middle square is cut
  /// out. 0: images keep their size.
  int64_t size = 0;
  /// The share held out if there is no val/; by default kFlatShare or kTrainShare. 0: nothing.
  std::optional<double> val_share{};
  uint64_t seed = 0;     ///< of the choice of the held-out images
  std::string labels{};  ///< a file for read_labels; empty: the folders in order of their names
  DecodeOptions decode{};
  ClassList classes{};  ///< if not empty, instead of `labels`
};

/// Reads PATH/train/CLASS/*, with PATH/val/CLASS/* and PATH/test/CLASS/* if they exist, or a flat
/// folder PATH/CLASS/*. Throws FileError as ImageFolder does, if there are fewer than two classes,
/// or if the class folders of val/ or test/ are not those of train/ (with labels: not in the list).
/// Checkpoints keep what the folder held, so that `kindling eval` finds the images that were held
/// out (folder_record.h).
Splits folder(const std::string& path, const FolderOptions& options = {});

/// The data to measure a trained model on: val/ if it exists, else test/, else all images of a flat
/// folder. If there is only train/: the share held out of it, or all of it for a share of 0.
EvalSet folder_for_eval(const std::string& path, const FolderOptions& options = {});

}  // namespace kindling::data
