#include <kindling/data/folder.h>

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <kindling/data/files.h>

#include <kindling/tests/support/shared_data.h>
#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;
namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

ByteVector plain_png(int value) { return make_png(Tensor::full({4, 6, 3}, value, DType::u8)); }

// Adds `count` images to each class of root/part.
void add_images(const TempFolder& root, const std::string& part, const Strings& classes, int count) {
  for (size_t label = 0; label < classes.size(); ++label)
    for (int i = 0; i < count; ++i)
      root.write(part + classes[label] + "/" + std::to_string(i) + ".png", plain_png(static_cast<int>(label) * 50 + i));
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("ImageFolder: images of any extension in order, everything else passed over") {
  const TempFolder root;
  root.write("dog/b.JPG", make_jpeg(smooth_image(8, 8)));
  root.write("dog/a.jpeg", make_jpeg(smooth_image(8, 8)));
  root.write("dog/c.Png", plain_png(1));
  root.write("dog/notes.txt", std::string("no image"));
  root.write("dog/.hidden.png", plain_png(1));
  root.write("dog/deeper/d.png", plain_png(1));
  root.write("cat/x.BMP", make_bmp(Tensor::full({4, 6, 3}, 9, DType::u8)));
  root.write(".cache/x.png", plain_png(1));
  root.write("loose.png", plain_png(1));
  const ImageFolder images(root.path(), list_classes(root.path()));
  CHECK(images.classes() == Strings{"cat", "dog"});
  Strings files;
  for (int64_t i = 0; i < images.size(); ++i) files.push_back(fs::relative(images.describe(i), root.path()).string());
  CHECK(files == Strings{"cat/x.BMP", "dog/a.jpeg", "dog/b.JPG", "dog/c.Png"});
  CHECK(images.get(0).target.item<int64_t>() == 0);
  CHECK(bitwise_equal(images.get(0).input, Tensor::full({4, 6, 3}, 9, DType::u8)));
  CHECK(images.get(3).target.item<int64_t>() == 1);
  CHECK_THROWS_MATCHES(images.get(4), ShapeError, Message("ImageFolder: sample 4 of 4"));
}

TEST_CASE("ImageFolder: a damaged image names its file when it is read") {
  const TempFolder root;
  root.write("cat/x.jpg", std::string("no image"));
  const ImageFolder images(root.path(), list_classes(root.path()));
  CHECK_THROWS_MATCHES(images.get(0), FileError,
                       Message((root.path() / "cat/x.jpg").string() + ": not a JPEG, PNG or BMP file"));
}

TEST_CASE("ImageFolder: what has an image's name but is no file says so when it is read") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 1);
  const fs::path cat = root.path() / "cat";
  REQUIRE(::mkfifo((cat / "1pipe.jpg").c_str(), 0600) == 0);
  fs::create_symlink("2loop.jpg", cat / "2loop.jpg");
  fs::create_symlink("gone.jpg", cat / "3dangling.jpg");
  fs::create_directory(cat / "4folder.jpg");
  fs::create_symlink("/dev/null", cat / "5device.jpg");
  fs::create_symlink("0.png", cat / "6link.png");
  const ImageFolder images(root.path(), list_classes(root.path()));
  REQUIRE(images.size() == 8);
  const auto error = [&](int64_t index) { return error_of([&] { images.get(index); }); };
  CHECK(error(1) == (cat / "1pipe.jpg").string() + ": is a named pipe, not a file");
  CHECK(error(2) == (cat / "2loop.jpg").string() + ": is a link that leads back to itself");
  CHECK(error(3) == (cat / "3dangling.jpg").string() + ": is a link to gone.jpg, which is not there");
  CHECK(error(4) == (cat / "4folder.jpg").string() + ": is a folder, not a file");
  CHECK(error(5) == (cat / "5device.jpg").string() + ": is a device, not a file");
  CHECK(bitwise_equal(images.get(6).input, images.get(0).input));  // a link to a file is as good as the file
  CHECK(images.notes().empty());
}

TEST_CASE("ImageFolder: links beside the class folders that lead nowhere are named") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 1);
  fs::create_symlink("eel", root.path() / "eel");
  fs::create_symlink("/no/such/folder", root.path() / "fox");
  fs::create_directory_symlink(root.path() / "dog", root.path() / "wolf");
  const ImageFolder images(root.path(), list_classes(root.path()));
  CHECK(images.classes() == Strings{"cat", "dog", "wolf"});
  CHECK(images.notes() == Strings{"skipped: " + (root.path() / "eel").string() + ": is a link that leads nowhere",
                                  "skipped: " + (root.path() / "fox").string() + ": is a link that leads nowhere"});
  fs::create_symlink("train", root.path() / "train");  // as little a part of the data as a class
  CHECK(folder(root.path()).train->size() == 2);
}

TEST_CASE("ImageFolder: pictures of other formats are counted, and an error where a class has no others") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 10);
  for (const char* name : {"cat/a.webp", "cat/b.WebP", "dog/c.webp", "cat/d.gif", "cat/e.TIFF", "dog/f.tif",
                           "dog/g.heic", "dog/h.avif", "dog/notes.txt"})
    root.write(name, std::string("some bytes"));
  const auto [train, val, test] = folder(root.path(), {.size = 16});
  const Strings expected{"skipped: " + root.path().string() +
                         ": AVIF (1 file), GIF (1 file), HEIC (1 file), TIFF (2 files), WebP (3 files): not read; "
                         "convert them to JPEG or PNG"};
  CHECK(train->notes() == expected);  // through a share and a transform
  CHECK(val->notes() == expected);

  root.write("emu/a.webp", std::string("some bytes"));
  root.write("emu/b.webp", std::string("some bytes"));
  CHECK(
      error_of([&] { folder(root.path()); }) ==
      (root.path() / "emu").string() +
          ": has no images in it (.jpg, .jpeg, .png, .bmp), but WebP (2 files): not read; convert them to JPEG or PNG");
}

TEST_CASE("read_labels: numbers and names of classes from a file") {
  const TempFolder root;
  const ClassList classes =
      read_labels(root.write("labels.txt", std::string("n02 golden  retriever\r\nn01\ttench\nn07\n")));
  CHECK(classes.folders == Strings{"n02", "n01", "n07"});
  CHECK(classes.names == Strings{"golden  retriever", "tench", "n07"});

  const std::string path = (root.path() / "labels.txt").string();
  root.write("labels.txt", std::string("a\n\nb\n"));
  CHECK_THROWS_MATCHES(read_labels(path), FileError, Message(path + ": line 2 is empty; it must name a folder"));
  root.write("labels.txt", std::string("a x\nb\na y\n"));
  CHECK_THROWS_MATCHES(read_labels(path), FileError, Message(path + ": line 3 names a again, after line 1"));
  root.write("labels.txt", std::string());
  CHECK_THROWS_MATCHES(read_labels(path), FileError, Message(path + ": names no classes"));
  CHECK_THROWS_MATCHES(read_labels(root.path() / "absent"), FileError,
                       Message((root.path() / "absent").string() + ": cannot be opened: No such file or directory"));
  REQUIRE(::mkfifo((root.path() / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_MATCHES(read_labels(root.path() / "pipe"), FileError,
                       Message((root.path() / "pipe").string() + ": is a named pipe, not a file"));
  CHECK_THROWS_MATCHES(read_labels(root.path()), FileError,
                       Message(root.path().string() + ": is a folder, not a file"));
}

TEST_CASE("folder: a flat one gives a fifth to validation") {
  const TempFolder root;
  add_images(root, "", {"cat", "dog"}, 10);
  const auto [train, val, test] = folder(root.path());
  CHECK(train->size() == 16);
  CHECK(val->size() == 4);
  CHECK(test == nullptr);
  CHECK(train->classes() == Strings{"cat", "dog"});
  CHECK(folder(root.path(), {.val_share = 0.5}).val->size() == 10);
  CHECK(folder(root.path(), {.val_share = 0}).val == nullptr);
  CHECK(folder(root.path(), {.val_share = 0}).train->size() == 20);
  const auto names = [](const Dataset& dataset) {
    Strings result;
    for (int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.describe(i));
    return result;
  };
  CHECK(names(*folder(root.path()).val) == names(*val));
  CHECK(names(*folder(root.path(), {.seed = 1}).val) != names(*val));
  const EvalSet measured = folder_for_eval(root.path());
  CHECK(measured.images->size() == 20);
  CHECK(measured.part == "all images");
}

TEST_CASE("folder: train/ alone, with val/, with test/") {
  const TempFolder root;
  add_images(root, "train/", {"cat", "dog"}, 20);
  CHECK(folder(root.path()).train->size() == 38);
  CHECK(folder(root.path()).val->size() == 2);
  CHECK(folder_for_eval(root.path()).images->size() == 2);
  CHECK(folder_for_eval(root.path()).part == "the held-out share of train/");
  CHECK(folder_for_eval(root.path(), {.val_share = 0}).images->size() == 40);
  CHECK(folder_for_eval(root.path(), {.val_share = 0}).part == "all of train/");
  add_images(root, "test/", {"cat", "dog"}, 3);
  CHECK(folder(root.path()).val->size() == 2);
  CHECK(folder(root.path()).test->size() == 6);
  CHECK(folder_for_eval(root.path()).images->size() == 6);
  CHECK(folder_for_eval(root.path()).part == "test/");
  add_images(root, "val/", {"cat", "dog"}, 4);
  CHECK(folder(root.path()).train->size() == 40);
  CHECK(folder(root.path()).val->size() == 8);
  CHECK(folder(root.path()).test->size() == 6);
  CHECK(folder_for_eval(root.path()).images->size() == 8);
  CHECK(folder_for_eval(root.path()).part == "val/");
}

TEST_CASE("folder: size makes all images alike") {
  const TempFolder root;
  root.write("cat/wide.png", make_png(smooth_image(20, 50)));
  root.write("dog/tall.png", make_png(smooth_image(60, 30)));
  const DatasetPtr all = folder_for_eval(root.path(), {.size = 16}).images;
  for (int64_t i = 0; i < 2; ++i) CHECK(all->get(i).input.shape() == Shape{16, 16, 3});
  CHECK(all->describe(1) == (root.path() / "dog/tall.png").string());
}

TEST_CASE("folder: labels give the numbers, and classes without a folder have no images") {
  const TempFolder root;
  add_images(root, "", {"n3", "n1"}, 2);
  const std::string labels = root.write("labels.txt", std::string("n1 tench\nn2 goldfish\nn3 shark\n")).string();
  const DatasetPtr all = folder_for_eval(root.path(), {.labels = labels}).images;
  CHECK(all->classes() == Strings{"tench", "goldfish", "shark"});
  CHECK(all->size() == 4);
  CHECK(all->get(0).target.item<int64_t>() == 0);
  CHECK(all->get(2).target.item<int64_t>() == 2);
  CHECK(all->describe(2) == (root.path() / "n3/0.png").string());
}

TEST_CASE("folder: what is wrong with a folder is said") {
  const TempFolder root;
  const std::string path = root.path().string();
  const auto error = [&](FolderOptions options = {}) { return error_of([&] { folder(path, options); }); };
  CHECK(error_of([&] { folder(path + "/absent"); }) ==
        path + "/absent: cannot be read as a folder: No such file or directory");
  CHECK(error() ==
        path + ": has no folders in it; needed is one folder of images for each class: " + path + "/CLASS/*.jpg");
  root.write("cat/0.png", plain_png(0));
  CHECK(error() == path + ": there is one class, cat; training needs at least two");
  fs::create_directory(root.path() / "dog");
  CHECK(error() == path + "/dog: has no images in it (.jpg, .jpeg, .png, .bmp)");
  root.write("dog/0.png", plain_png(0));
  CHECK(error() == "");
  const std::string labels = root.write("labels.txt", std::string("cat\nhorse\n")).string();
  CHECK(error({.labels = labels}) == path + "/dog: this folder is none of the 2 classes");
}

TEST_CASE("is_utf8: whole shortest forms, no surrogates, nothing beyond 10FFFF") {
  for (const char* text :
       {"", "cat", "\xC3\xA9", "\xE2\x82\xAC", "\xED\x9F\xBF", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"})
    CHECK(is_utf8(text));
  for (const char* text : {"\xE9t\xE9", "\x80", "\xC3", "\xE2\x82", "\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                           "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF"})
    CHECK_FALSE(is_utf8(text));
}

TEST_CASE("folder: names of classes that are not UTF-8 are refused") {
  const TempFolder root;
  const std::string path = root.path().string();
  add_images(root, "", {"caf\xC3\xA9", "dog", "t\xE9"}, 2);
  CHECK(error_of([&] { folder(path); }) == path + "/t\xE9: the name of this folder is not UTF-8");
  fs::remove_all(root.path() / "t\xE9");
  CHECK(error_of([&] { folder(path); }) == "");
  const std::string labels = root.write("labels.txt", std::string("caf\xC3\xA9\ndog t\xE9\n")).string();
  CHECK(error_of([&] { folder(path, {.labels = labels}); }) == labels + ": line 2 is not UTF-8");
}

TEST_CASE("folder: parts that do not fit together") {
  const TempFolder root;
  const std::string path = root.path().string();
  const auto error = [&] { return error_of([&] { folder(path); }); };
  add_images(root, "val/", {"cat", "dog", "emu"}, 1);
  CHECK(error() == path + ": has no train/ beside its val/ or test/");
  CHECK(folder_for_eval(path).images->size() == 3);
  add_images(root, "train/", {"cat", "dog"}, 2);
  CHECK(error() == path + "/val: has class folders that train/ lacks: emu");
  fs::remove_all(root.path() / "val" / "emu");
  CHECK(error() == "");
  add_images(root, "train/", {"fox", "gnu"}, 2);
  CHECK(error() == path + "/val: lacks class folders that train/ has: fox, gnu");
}

TEST_CASE("folder: the photographs of the shared sample") {
  const auto photos = shared_data("imagenet_sample"), labels = shared_data("imagenet_classes.txt");
  if (!photos || !labels) return;
  const DatasetPtr all = folder_for_eval(*photos, {.labels = labels->string()}).images;
  CHECK(all->size() == 100);
  CHECK(all->classes().size() == 1000);
  CHECK(all->classes()[0] == "tench");
  for (int64_t i = 0; i < all->size(); i += 20) {
    CHECK(all->get(i).target.item<int64_t>() == 10 * i);  // one of every tenth class
    CHECK(all->get(i).input.size(2) == 3);
  }
}
