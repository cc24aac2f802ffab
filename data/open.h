// Data sets by name, as on the command line.
#pragma once

#include <optional>
#include <string>

#include <kindling/data/dataset.h>
#include <kindling/data/folder.h>
#include <kindling/data/image.h>

namespace kindling::data {

struct OpenOptions {
  std::string labels{};               ///< for folder: a file for read_labels
  std::optional<double> val_share{};  ///< by default each kind's own; 0: nothing is held out. Not for shapes
  uint64_t seed = 0;                  ///< of the held-out share, and of what `shapes` draws
  DecodeOptions decode{};             ///< for folder
  ClassList classes{};                ///< for folder: if not empty, instead of `labels`
  int64_t train_images = 0;           ///< draw() so many of those to train on; 0: all
};

/// Opens "shapes", "cifar10:PATH", "mnist:PATH" or "folder:PATH". Throws ShapeError for another
/// `spec`, if there are fewer than train_images images to train on, and if those are fewer than the
/// classes; and FileError as the kinds do (see folder.h, cifar.h, mnist.h, shapes.h).
Splits open_dataset(const std::string& spec, const OpenOptions& options = {});
/// Pictures whose labels do not matter: of a folder, at any depth, or of a `spec` as above at most
/// `most` of those to train on, draw()n. Throws as open_dataset() and PictureFolder do.
DatasetPtr open_pictures(const std::string& folder_or_spec, const OpenOptions& options, int64_t most);
/// The data of `spec` to measure a trained model on: the test part of cifar10 and mnist, the
/// validation part of shapes, and for a folder what folder_for_eval() says.
EvalSet open_for_eval(const std::string& spec, const OpenOptions& options = {});

/// Whether it is "shapes" or begins as one of the other data sets does.
bool is_data_spec(const std::string& text);
/// The path of "folder:PATH"; nothing for another data set.
std::optional<std::string> path_of_folder(const std::string& spec);
/// Whether it is "folder:PATH" and there is PATH/part: "train", "val" or "test".
bool has_part(const std::string& spec, const std::string& part);
FolderOptions folder_options(const OpenOptions& options);

/// What a model needs to know about its inputs.
struct InputInfo {
  int64_t channels = 0;
  DType dtype = DType::u8;  ///< of the first image that was looked at
  /// Height and width, if all images that were examined agree (up to 16, spread evenly). Others may
  /// differ. So begin transforms with resize(size), which costs nothing for an image of that size.
  std::optional<Size2> size;
  int64_t shorter_side = 0;  ///< pixels; the median of those images
  /// Whether they are squares of one size.
  bool is_square() const { return size && size->h == size->w; }
};
/// Throws FileError if none of the images that it examines can be read, and ShapeError if they are
/// not [H,W,C] with the same C.
InputInfo describe_inputs(const Dataset& dataset);

}  // namespace kindling::data
