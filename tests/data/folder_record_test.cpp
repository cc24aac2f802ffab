#include <kindling/data/folder_record.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <kindling/data/transforms.h>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;
namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

/// Images whose sizes in bytes differ from class to class.
void add_images(const TempFolder& root, const std::string& part, const Strings& classes, int count) {
  for (size_t label = 0; label < classes.size(); ++label)
    for (int i = 0; i < count; ++i)
      root.write(part + classes[label] + "/" + std::to_string(i) + ".png",
                 make_png(numbered_image(4, 5 + static_cast<int64_t>(label))));
}

FolderRecord record_of(const TempFolder& root, const FolderOptions& options = {}) {
  return record_folder(root.path(), options, folder(root.path(), options));
}

/// Paths of the samples below the root.
Strings files_of(const Dataset& dataset, const fs::path& root) {
  Strings files;
  for (int64_t i = 0; i < dataset.size(); ++i) files.push_back(fs::relative(dataset.describe(i), root).string());
  return files;
}

/// A copy of the folder in another place.
void copy(const TempFolder& from, const TempFolder& to) {
  fs::copy(from.path(), to.path(), fs::copy_options::recursive);
}

}  // namespace

TEST_CASE("record_folder: classes, share, seed, and a summary of each class folder") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 10);
  const FolderRecord flat = record_of(root, {.seed = 7});
  CHECK(flat.classes.folders == Strings{"cat", "dog"});
  CHECK(flat.val_share == 0.2);
  CHECK(flat.seed == 7);
  REQUIRE(flat.folders.size() == 2);
  CHECK(flat.folders.at("cat").files == 10);
  CHECK(flat.folders.at("cat").bytes == 10 * static_cast<int64_t>(fs::file_size(root.path() / "cat/0.png")));
  CHECK(record_of(root, {.val_share = 0.5}).val_share == 0.5);

  const TempFolder split;
  add_images(split, "train/", {"cat", "dog"}, 20);
  add_images(split, "test/", {"cat", "dog"}, 3);
  const FolderRecord parts = record_of(split);
  CHECK(parts.val_share == 0.05);
  REQUIRE(parts.folders.size() == 4);
  CHECK(parts.folders.at("train/dog").files == 20);
  CHECK(parts.folders.at("test/dog").files == 3);

  const std::string labels = root.write("labels.txt", std::string("dog a dog\ncat\n")).string();
  const FolderRecord labelled = record_of(root, {.labels = labels});
  CHECK(labelled.classes.folders == Strings{"dog", "cat"});
  CHECK(labelled.classes.names == Strings{"a dog", "cat"});
}

TEST_CASE("folder: the training part tells what the folder held, and the others do not") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 10);
  const FolderOptions options{.size = 4, .val_share = 0.5, .seed = 7};
  const Splits splits = folder(root.path(), options);
  const TrainedOn told = trained_on_from(splits.train->about());
  CHECK(told.kind == "folder");
  CHECK(told.seed == 7);
  REQUIRE(told.folder.has_value());
  CHECK(to_json(*told.folder) == to_json(record_of(root, options)));
  CHECK(splits.val->about().is_null());
  CHECK(transformed(splits.train, resize(4))->about() == splits.train->about());
}

TEST_CASE("a record survives JSON, and what is no record is refused by name") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 3);
  const FolderRecord record = record_of(root, {.val_share = 0.3, .seed = 1ULL << 63});
  const nlohmann::json json = to_json(record);
  const FolderRecord again = folder_record_from(nlohmann::json::parse(json.dump()));
  CHECK(again.seed == record.seed);
  CHECK(again.val_share == record.val_share);
  CHECK(again.classes.names == record.classes.names);
  CHECK(again.folders == record.folders);
  CHECK(difference(record, again).empty());

  CHECK_THROWS_MATCHES(folder_record_from(nlohmann::json()), Error, Message("has no entry \"class_folders\""));
  auto damaged = json;
  damaged["seed"] = "x";
  CHECK_THROWS_MATCHES(folder_record_from(damaged), Error, Message("the entry \"seed\" is of another type"));
  damaged = json;
  damaged["folders"]["cat"] = {1, 2};
  CHECK_THROWS_MATCHES(folder_record_from(damaged), Error,
                       Message("the entry \"folders\" has no three numbers for \"cat\""));
  damaged = json;
  damaged["class_names"] = {"cat"};
  CHECK_THROWS_MATCHES(folder_record_from(damaged), Error,
                       Message("has other numbers of \"class_folders\" and \"class_names\""));
}

TEST_CASE("difference: the first thing that is not as it was, in words") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 5);
  const FolderRecord then = record_of(root);
  const auto now = [&] { return difference(then, record_of(root)); };
  CHECK(now().empty());
  root.write("cat/notes.txt", std::string("no image"));
  CHECK(now().empty());

  fs::rename(root.path() / "cat/0.png", root.path() / "cat/9.png");
  CHECK(now() == "images in cat/ have other names or sizes than in training");
  fs::rename(root.path() / "cat/9.png", root.path() / "cat/0.png");
  CHECK(now().empty());
  const fs::path larger = root.path() / "dog/3.png";
  fs::resize_file(larger, fs::file_size(larger) + 1);
  CHECK(now() == "images in dog/ have other names or sizes than in training");
  fs::remove(larger);
  CHECK(now() == "dog/ has 4 images, training had 5");
  fs::rename(root.path() / "dog", root.path() / "eel");
  CHECK(now() == "there is no dog/, which training had");
  fs::rename(root.path() / "eel", root.path() / "dog");
  add_images(root, "", {"cat", "dog", "eel"}, 5);
  CHECK(now() == "there is eel/, which training had not");
  fs::remove_all(root.path() / "eel");
  add_images(root, "", {"cat", "dog"}, 5);
  const ClassList turned{.folders = {"dog", "cat"}, .names = {"dog", "cat"}};
  CHECK(difference(then, record_of(root, {.classes = turned})) == "the classes are in another order than in training");
}

TEST_CASE("held_out_of: the images that training held out, wherever the folder lies") {
  const TempFolder root, moved;
  add_images(root, "", {"cat", "dog"}, 10);
  const FolderOptions options{.val_share = 0.3, .seed = 5};
  const Splits splits = folder(root.path(), options);
  const FolderRecord record = record_folder(root.path(), options, splits);
  copy(root, moved);
  const HeldOut held_out = held_out_of(moved.path(), record);
  CHECK(held_out.difference.empty());
  CHECK(held_out.set.part == "what training held out");
  CHECK(held_out.set.images->size() == 6);
  CHECK(files_of(*held_out.set.images, moved.path()) == files_of(*splits.val, root.path()));

  fs::remove(moved.path() / "cat/4.png");
  const HeldOut other = held_out_of(moved.path(), record);
  CHECK(other.difference == "cat/ has 9 images, training had 10");
  CHECK(other.set.images == nullptr);
  CHECK(held_out_of(moved.path() / "absent", record).difference ==
        (moved.path() / "absent").string() + ": cannot be read as a folder: No such file or directory");
}

TEST_CASE("held_out_of: with classes from a list, which need not be there any more") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 10);
  const fs::path labels = root.write("labels.txt", std::string("dog\ncat\n"));
  const FolderOptions options{.labels = labels.string()};
  const Splits splits = folder(root.path(), options);
  const FolderRecord record = record_folder(root.path(), options, splits);
  fs::remove(labels);
  const HeldOut held_out = held_out_of(root.path(), record);
  CHECK(files_of(*held_out.set.images, root.path()) == files_of(*splits.val, root.path()));
  CHECK(held_out.set.images->classes() == Strings{"dog", "cat"});
}

TEST_CASE("held_out_of: val/ where there is one, and where nothing is held out, test/, or else everything") {
  const TempFolder root;
  add_images(root, "train/", {"cat", "dog"}, 20);
  const FolderOptions everything{.val_share = 0};
  const auto held_out = [&] { return held_out_of(root.path(), record_of(root, everything)).set; };
  CHECK(held_out().part == "all images, which are those that it was trained on: training held nothing out");
  CHECK(held_out().images->size() == 40);
  add_images(root, "test/", {"cat", "dog"}, 3);
  CHECK(held_out().part == "test/; training held nothing out of train/");
  CHECK(held_out().images->size() == 6);
  add_images(root, "val/", {"cat", "dog"}, 2);
  CHECK(held_out().part == "val/, which training held out");
  CHECK(held_out().images->size() == 4);
}
