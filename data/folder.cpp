#include <kindling/data/folder.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <unordered_map>

#include <kindling/data/files.h>
#include <kindling/data/transforms.h>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

bool has_image_extension(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

std::vector<std::string> sub_folders(const fs::path& path) {
  std::vector<std::string> names = list_folder(path);
  std::erase_if(names, [&](const std::string& name) { return !fs::is_directory(path / name); });
  return names;
}

// The elements of `a` that `b` has not, as "cat, dog". Both sorted.
std::string missing(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left));
  std::string text;
  for (const std::string& name : left) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// A folder of photographs as the command line takes it: flat, or with parts.
class PhotoFolder {
 public:
  PhotoFolder(const fs::path& root, const FolderOptions& options) : root_(root), options_(options) {
    for (const char* part : {"train", "val", "test"})
      if (fs::is_directory(root / part)) parts_.push_back(part);
    classes_ =
        options.labels.empty() ? list_classes(flat() ? root : root / parts_.front()) : read_labels(options.labels);
    if (classes_.folders.size() < 2)
      file_error(root, "there is one class, ", classes_.folders.front(), "; training needs at least two");
  }

  bool flat() const { return parts_.empty(); }
  bool has(const std::string& part) const { return std::find(parts_.begin(), parts_.end(), part) != parts_.end(); }

  // The images of root/part; "" is the root itself.
  DatasetPtr read(const std::string& part) const {
    const fs::path path = part.empty() ? root_ : root_ / part;
    if (options_.labels.empty() && !part.empty()) check_classes(path);
    DatasetPtr images = std::make_shared<ImageFolder>(path, classes_, options_.decode);
    if (options_.size == 0) return images;
    return transformed(std::move(images), resize_and_crop(options_.size, options_.size));
  }

  Splits hold_out() const {
    const double share = options_.val_share.value_or(flat() ? 0.2 : 0.05);
    return split(read(flat() ? "" : "train"), {.share = share, .seed = options_.seed});
  }

 private:
  void check_classes(const fs::path& path) const {
    const std::vector<std::string> folders = sub_folders(path);
    const std::string absent = missing(classes_.folders, folders), extra = missing(folders, classes_.folders);
    const std::string first = parts_.front();
    if (!absent.empty()) file_error(path, "lacks class folders that ", first, "/ has: ", absent);
    if (!extra.empty()) file_error(path, "has class folders that ", first, "/ lacks: ", extra);
  }

  fs::path root_;
  FolderOptions options_;
  std::vector<std::string> parts_;  // of train, val, test
  ClassList classes_;
};

}  // namespace

ClassList list_classes(const fs::path& path) {
  const std::vector<std::string> folders = sub_folders(path);
  if (folders.empty())
    file_error(path, "has no folders in it; needed is one folder of images for each class: ", (path / "CLASS").string(),
               "/*.jpg");
  for (const std::string& name : folders)
    if (!is_utf8(name)) file_error(path / name, "the name of this folder is not UTF-8");
  return {folders, folders};
}

ClassList read_labels(const fs::path& file) {
  std::ifstream in(file);
  if (!in || fs::is_directory(file)) file_error(file, "cannot be opened as a list of classes");
  ClassList classes;
  std::unordered_map<std::string, size_t> line_of;
  constexpr const char* kBlanks = " \t\r";
  for (std::string line; std::getline(in, line);) {
    const size_t number = classes.folders.size() + 1;
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string::npos) file_error(file, "line ", number, " is empty; it must name a folder");
    if (!is_utf8(line)) file_error(file, "line ", number, " is not UTF-8");
    line = line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
    const std::string folder = line.substr(0, line.find_first_of(kBlanks));
    const size_t name = line.find_first_not_of(kBlanks, folder.size());
    const auto [earlier, is_new] = line_of.emplace(folder, number);
    if (!is_new) file_error(file, "line ", number, " names ", folder, " again, after line ", earlier->second);
    classes.folders.push_back(folder);
    classes.names.push_back(name == std::string::npos ? folder : line.substr(name));
  }
  if (classes.folders.empty()) file_error(file, "names no classes");
  return classes;
}

ImageFolder::ImageFolder(const fs::path& path, ClassList classes, DecodeOptions decode)
    : root_(path), classes_(std::move(classes)), decode_(decode) {
  std::unordered_map<std::string, int64_t> label_of;
  for (const std::string& folder : classes_.folders) label_of.emplace(folder, static_cast<int64_t>(label_of.size()));
  std::vector<int64_t> labels;
  for (const std::string& folder : sub_folders(path)) {
    const auto found = label_of.find(folder);
    if (found == label_of.end()) file_error(path / folder, "this folder is none of the ", label_of.size(), " classes");
    labels.push_back(found->second);
  }
  if (labels.empty()) file_error(path, "has no class folders in it");
  std::sort(labels.begin(), labels.end());
  for (const int64_t label : labels) add_class(label);
}

void ImageFolder::add_class(int64_t label) {
  const fs::path folder = root_ / classes_.folders[static_cast<size_t>(label)];
  const size_t before = files_.size();
  for (std::string& name : list_folder(folder))
    if (has_image_extension(name)) files_.push_back({std::move(name), label});
  if (files_.size() == before) file_error(folder, "has no images in it (.jpg, .jpeg, .png, .bmp)");
}

Sample ImageFolder::get(int64_t index) const {
  const std::string path = describe(index);
  const int64_t label = files_[static_cast<size_t>(index)].label;
  return {decode_image(path, decode_), Tensor::scalar(static_cast<double>(label), DType::i64)};
}

std::string ImageFolder::describe(int64_t index) const {
  check(index >= 0 && index < size(), "ImageFolder", "sample ", index, " of ", size());
  const File& file = files_[static_cast<size_t>(index)];
  return (root_ / classes_.folders[static_cast<size_t>(file.label)] / file.name).string();
}

Splits folder(const fs::path& path, const FolderOptions& options) {
  const PhotoFolder photos(path, options);
  if (photos.flat()) return photos.hold_out();
  if (!photos.has("train")) file_error(path, "has no train/ beside its val/ or test/");
  Splits splits = photos.has("val") ? Splits{photos.read("train"), photos.read("val"), nullptr} : photos.hold_out();
  if (photos.has("test")) splits.test = photos.read("test");
  return splits;
}

DatasetPtr folder_for_eval(const fs::path& path, const FolderOptions& options) {
  const PhotoFolder photos(path, options);
  if (photos.flat()) return photos.read("");
  for (const char* part : {"val", "test"})
    if (photos.has(part)) return photos.read(part);
  return photos.hold_out().val;
}

}  // namespace kindling::data
