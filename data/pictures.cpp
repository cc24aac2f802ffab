#include <kindling/data/pictures.h>

#include <algorithm>
#include <filesystem>

#include <kindling/data/files.h>
#include <kindling/data/folder.h>

namespace kindling::data {

namespace fs = std::filesystem;

FoundPictures find_pictures(const std::string& folder) {
  FoundPictures found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
  OtherFormats others;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool hidden = name.starts_with('.');
    std::error_code ignored;
    if (hidden && fs::is_directory(entry->symlink_status(ignored))) entry.disable_recursion_pending();
    if (hidden || entry->is_directory(ignored)) continue;
    if (is_image_name(name))
      found.files.push_back(entry->path());
    else
      count_other_format(name, others);
  }
  if (error) found.notes.push_back(folder + ": cannot be read as a folder: " + error.message());
  if (!others.empty()) found.notes.push_back(folder + ": " + data::describe(others));
  if (found.files.empty() && others.empty() && !error)
    found.notes.push_back(folder + ": has no pictures in it (.jpg, .jpeg, .png, .bmp)");
  std::sort(found.files.begin(), found.files.end());
  return found;
}

PictureFolder::PictureFolder(const std::string& path, DecodeOptions decode)
    : decode_(decode), found_(find_pictures(path)) {
  if (found_.files.empty()) throw FileError(found_.notes.front());
}

Sample PictureFolder::get(int64_t index) const {
  return {decode_image(describe(index), decode_), Tensor::scalar(0, DType::i64)};
}

std::string PictureFolder::describe(int64_t index) const {
  check(index >= 0 && index < size(), "PictureFolder", "sample ", index, " of ", size());
  return found_.files[static_cast<size_t>(index)];
}

}  // namespace kindling::data
