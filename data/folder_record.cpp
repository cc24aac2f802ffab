#include <kindling/data/folder_record.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>

#include <kindling/data/files.h>

namespace kindling::data {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// FNV-1a of 64 bits: http://www.isthe.com/chongo/tech/comp/fnv
constexpr uint64_t kFnvStart = 0xCBF29CE484222325, kFnvPrime = 0x100000001B3;

void add_bytes(uint64_t& digest, const std::string& bytes) {
  for (const char byte : bytes) digest = (digest ^ static_cast<unsigned char>(byte)) * kFnvPrime;
}

int64_t bytes_of(const fs::path& file) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(file, error);
  return error ? 0 : static_cast<int64_t>(bytes);  // what is no file has none
}

// A file's name and size; neither holds the characters that end them.
void add_file(FolderSummary& folder, const fs::path& file) {
  if (folder.files == 0) folder.digest = kFnvStart;
  const int64_t bytes = bytes_of(file);
  ++folder.files;
  folder.bytes += bytes;
  add_bytes(folder.digest, file.filename().string() + "/" + std::to_string(bytes) + "\n");
}

template <class T>
T entry(const json& from, const char* name) {
  const auto found = from.is_object() ? from.find(name) : from.end();
  if (found == from.end()) throw Error(std::string("has no entry \"") + name + "\"");
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    throw Error(std::string("the entry \"") + name + "\" is of another type");
  }
}

std::string difference_of(const std::string& name, const FolderSummary& then, const FolderSummary& now) {
  if (then.files != now.files)
    return name + "/ has " + std::to_string(now.files) + " images, training had " + std::to_string(then.files);
  if (then != now) return "images in " + name + "/ have other names or sizes than in training";
  return "";
}

}  // namespace

FolderRecord record_folder(const std::string& path, const FolderOptions& options, const Splits& splits) {
  std::vector<fs::path> files;
  for (const DatasetPtr& part : {splits.train, splits.val, splits.test})
    for (int64_t i = 0; part && i < part->size(); ++i) files.emplace_back(part->describe(i));
  std::sort(files.begin(), files.end());
  const fs::path train = fs::path(path) / "train";
  const bool flat = !is_folder(train);
  FolderRecord record{.classes = options.classes,
                      .val_share = options.val_share.value_or(flat ? kFlatShare : kTrainShare),
                      .seed = options.seed,
                      .folders = {}};
  if (record.classes.folders.empty())
    record.classes = options.labels.empty() ? list_classes(flat ? path : train.string()) : read_labels(options.labels);
  for (const fs::path& file : files)
    add_file(record.folders[file.parent_path().lexically_relative(path).string()], file);
  return record;
}

std::string difference(const FolderRecord& then, const FolderRecord& now) {
  for (const auto& [name, summary] : then.folders) {
    const auto found = now.folders.find(name);
    if (found == now.folders.end()) return "there is no " + name + "/, which training had";
    if (std::string text = difference_of(name, summary, found->second); !text.empty()) return text;
  }
  for (const auto& [name, summary] : now.folders)
    if (!then.folders.contains(name)) return "there is " + name + "/, which training had not";
  return then.classes.folders == now.classes.folders ? "" : "the classes are in another order than in training";
}

HeldOut held_out_of(const std::string& path, const FolderRecord& record, const DecodeOptions& decode) {
  const FolderOptions options{
      .val_share = record.val_share, .seed = record.seed, .decode = decode, .classes = record.classes};
  Splits splits;
  std::string difference;
  try {
    splits = folder(path, options);
    difference = data::difference(record, record_folder(path, options, splits));
  } catch (const Error& error) {
    difference = error.what();
  }
  if (!difference.empty()) return {{}, difference};
  if (is_folder(fs::path(path) / "val")) return {{splits.val, "val/, which training held out"}, ""};
  if (splits.val) return {{splits.val, "what training held out"}, ""};
  if (splits.test) return {{splits.test, "test/; training held nothing out of train/"}, ""};
  return {{splits.train, "all images, which are those that it was trained on: training held nothing out"}, ""};
}

json to_json(const FolderRecord& record) {
  json folders = json::object();
  for (const auto& [name, summary] : record.folders) folders[name] = {summary.files, summary.bytes, summary.digest};
  return {{"class_folders", record.classes.folders},
          {"class_names", record.classes.names},
          {"val_share", record.val_share},
          {"seed", record.seed},
          {"folders", folders}};
}

FolderRecord folder_record_from(const json& json) {
  FolderRecord record{.classes = {.folders = entry<std::vector<std::string>>(json, "class_folders"),
                                  .names = entry<std::vector<std::string>>(json, "class_names")},
                      .val_share = entry<double>(json, "val_share"),
                      .seed = entry<uint64_t>(json, "seed"),
                      .folders = {}};
  if (record.classes.folders.size() != record.classes.names.size())
    throw Error("has other numbers of \"class_folders\" and \"class_names\"");
  for (const auto& [name, value] : entry<std::map<std::string, std::vector<uint64_t>>>(json, "folders")) {
    if (value.size() != 3) throw Error("the entry \"folders\" has no three numbers for \"" + name + "\"");
    record.folders[name] = {static_cast<int64_t>(value[0]), static_cast<int64_t>(value[1]), value[2]};
  }
  return record;
}

json to_json(const TrainedOn& trained_on) {
  json result{{"kind", trained_on.kind}, {"seed", trained_on.seed}};
  if (trained_on.folder) result["folder"] = to_json(*trained_on.folder);
  return result;
}

TrainedOn trained_on_from(const json& json) {
  TrainedOn result{.kind = entry<std::string>(json, "kind"), .seed = entry<uint64_t>(json, "seed"), .folder = {}};
  if (json.contains("folder")) result.folder = folder_record_from(json["folder"]);
  return result;
}

}  // namespace kindling::data
