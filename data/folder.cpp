#include <kindling/data/folder.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <sstream>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include <kindling/data/files.h>
#include <kindling/data/folder_record.h>
#include <kindling/data/transforms.h>

namespace kindling::data {

namespace fs = std::filesystem;

namespace {

// In small letters.
std::string extension_of(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

bool is_image(const std::string& extension) {
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

// The format of pictures that are not read; null for what is no picture.
const char* other_format(const std::string& extension) {
  static const std::map<std::string, const char*> formats{
      {".webp", "WebP"},      {".gif", "GIF"},        {".tif", "TIFF"},      {".tiff", "TIFF"},
      {".heic", "HEIC"},      {".heif", "HEIC"},      {".avif", "AVIF"},     {".jxl", "JPEG XL"},
      {".jp2", "JPEG 2000"},  {".ppm", "PPM"},        {".pgm", "PGM"},       {".dng", "camera raw"},
      {".cr2", "camera raw"}, {".nef", "camera raw"}, {".arw", "camera raw"}};
  const auto found = formats.find(extension);
  return found == formats.end() ? nullptr : found->second;
}

std::vector<std::string> sub_folders(const fs::path& path) {
  std::vector<std::string> names = list_folder(path);
  std::erase_if(names, [&](const std::string& name) { return !is_folder(path / name); });
  return names;
}

bool leads_nowhere(const fs::path& path) {
  std::error_code error;
  return !fs::exists(path, error) && has_entry(path);
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
      if (is_folder(root / part)) parts_.push_back(part);
    classes_ = choose_classes();
    if (classes_.folders.size() < 2)
      file_error(root, "there is one class, ", classes_.folders.front(), "; training needs at least two");
  }

  bool flat() const { return parts_.empty(); }
  bool has(const std::string& part) const { return std::find(parts_.begin(), parts_.end(), part) != parts_.end(); }

  // The images of root/part; "" is the root itself.
  DatasetPtr read(const std::string& part) const {
    const fs::path path = part.empty() ? root_ : root_ / part;
    if (!has_list() && !part.empty()) check_classes(path);
    DatasetPtr images = std::make_shared<ImageFolder>(path, classes_, options_.decode);
    if (options_.size == 0) return images;
    return transformed(std::move(images), resize_and_crop(options_.size, options_.size));
  }

  Splits hold_out() const {
    const double share = options_.val_share.value_or(flat() ? kFlatShare : kTrainShare);
    return split(read(flat() ? "" : "train"), {.share = share, .seed = options_.seed});
  }

 private:
  bool has_list() const { return !options_.classes.folders.empty() || !options_.labels.empty(); }

  ClassList choose_classes() const {
    if (!options_.classes.folders.empty()) return options_.classes;
    if (!options_.labels.empty()) return read_labels(options_.labels);
    return list_classes(flat() ? root_ : root_ / parts_.front());
  }

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

// The training part of a folder, which can tell what the folder held.
class TrainingPart : public Wrapped {
 public:
  TrainingPart(const fs::path& root, const FolderOptions& options, const Splits& splits)
      : Wrapped(splits.train), root_(root), options_(options), splits_(splits) {}
  nlohmann::json about() const override {
    return to_json(
        TrainedOn{.kind = "folder", .seed = options_.seed, .folder = record_folder(root_, options_, splits_)});
  }

 private:
  fs::path root_;
  FolderOptions options_;
  Splits splits_;
};

}  // namespace

bool is_image_name(const std::string& name) { return is_image(extension_of(name)); }

void count_other_format(const std::string& name, OtherFormats& counts) {
  if (const char* format = other_format(extension_of(name))) ++counts[format];
}

std::string describe(const OtherFormats& counts) {
  std::ostringstream text;
  for (const auto& [format, files] : counts)
    text << (text.tellp() > 0 ? ", " : "") << format << " (" << files << (files == 1 ? " file)" : " files)");
  text << ": not read; convert them to JPEG or PNG";
  return text.str();
}

ClassList list_classes(const std::string& path) {
  const fs::path root = path;
  const std::vector<std::string> folders = sub_folders(root);
  if (folders.empty())
    file_error(path, "has no folders in it; needed is one folder of images for each class: ", (root / "CLASS").string(),
               "/*.jpg");
  for (const std::string& name : folders)
    if (!is_utf8(name)) file_error(root / name, "the name of this folder is not UTF-8");
  return {folders, folders};
}

ClassList read_labels(const std::string& file) {
  const std::vector<std::byte> text = read_file(file);
  std::istringstream in(std::string(reinterpret_cast<const char*>(text.data()), text.size()));
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

ImageFolder::ImageFolder(const std::string& path, ClassList classes, DecodeOptions decode)
    : root_(path), classes_(std::move(classes)), decode_(decode) {
  const fs::path root = path;
  std::unordered_map<std::string, int64_t> label_of;
  for (const std::string& folder : classes_.folders) label_of.emplace(folder, static_cast<int64_t>(label_of.size()));
  std::vector<int64_t> labels;
  for (const std::string& name : list_folder(path)) {
    const fs::path entry = root / name;
    if (leads_nowhere(entry)) notes_.push_back("skipped: " + entry.string() + ": is a link that leads nowhere");
    if (!is_folder(entry)) continue;
    const auto found = label_of.find(name);
    if (found == label_of.end()) file_error(entry, "this folder is none of the ", label_of.size(), " classes");
    labels.push_back(found->second);
  }
  if (labels.empty()) file_error(path, "has no class folders in it");
  std::sort(labels.begin(), labels.end());
  OtherFormats other_formats;
  for (const int64_t label : labels) add_class(label, other_formats);
  if (!other_formats.empty()) notes_.push_back("skipped: " + path + ": " + data::describe(other_formats));
}

void ImageFolder::add_class(int64_t label, OtherFormats& other_formats) {
  const fs::path folder = fs::path(root_) / classes_.folders[static_cast<size_t>(label)];
  const size_t before = files_.size();
  OtherFormats others;
  for (std::string& name : list_folder(folder)) {
    if (is_image_name(name))
      files_.push_back({std::move(name), label});
    else
      count_other_format(name, others);
  }
  if (files_.size() == before)
    file_error(folder, "has no images in it (.jpg, .jpeg, .png, .bmp)", others.empty() ? "" : ", but ",
               others.empty() ? "" : data::describe(others));
  for (const auto& [format, files] : others) other_formats[format] += files;
}

Sample ImageFolder::get(int64_t index) const {
  return {decode_image(describe(index), decode_), Tensor::scalar(static_cast<double>(label(index)), DType::i64)};
}

const ImageFolder::File& ImageFolder::file(int64_t index) const {
  check(index >= 0 && index < size(), "ImageFolder", "sample ", index, " of ", size());
  return files_[static_cast<size_t>(index)];
}

std::string ImageFolder::describe(int64_t index) const {
  const File& of = file(index);
  return (fs::path(root_) / classes_.folders[static_cast<size_t>(of.label)] / of.name).string();
}

Splits folder(const std::string& path, const FolderOptions& options) {
  const PhotoFolder photos(path, options);
  if (!photos.flat() && !photos.has("train")) file_error(path, "has no train/ beside its val/ or test/");
  Splits splits = photos.has("val") ? Splits{photos.read("train"), photos.read("val"), nullptr} : photos.hold_out();
  if (photos.has("test")) splits.test = photos.read("test");
  splits.train = std::make_shared<TrainingPart>(path, options, splits);
  return splits;
}

EvalSet folder_for_eval(const std::string& path, const FolderOptions& options) {
  const PhotoFolder photos(path, options);
  if (photos.flat()) return {photos.read(""), "all images"};
  for (const std::string part : {"val", "test"})
    if (photos.has(part)) return {photos.read(part), part + "/"};
  const Splits splits = photos.hold_out();
  if (splits.val == nullptr) return {splits.train, "all of train/"};
  return {splits.val, "the held-out share of train/"};
}

}  // namespace kindling::data
