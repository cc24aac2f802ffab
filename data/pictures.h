// Pictures without labels.
#pragma once

#include <string>
#include <vector>

#include <kindling/data/dataset.h>
#include <kindling/data/image.h>

namespace kindling::data {

struct FoundPictures {
  std::vector<std::string> files = {};  ///< paths, sorted
  std::vector<std::string> notes = {};  ///< what is no picture that can be read, one sentence each
};

/// The pictures (.jpg, .jpeg, .png, .bmp in any case) in a folder, at any depth; not through links
/// to folders, nor hidden ones. A folder that cannot be read is a note.
FoundPictures find_pictures(const std::string& folder);

/// The pictures of find_pictures(), u8 [H,W,3] in the size of the file, all of class 0. For what
/// needs no labels, such as calibration.
class PictureFolder : public Dataset {
 public:
  /// Throws FileError if there is none.
  explicit PictureFolder(const std::string& path, DecodeOptions decode = {});
  int64_t size() const override { return std::ssize(found_.files); }
  Sample get(int64_t index) const override;
  std::string describe(int64_t index) const override;
  std::vector<std::string> notes() const override { return found_.notes; }

 private:
  DecodeOptions decode_;
  FoundPictures found_;
};

}  // namespace kindling::data
