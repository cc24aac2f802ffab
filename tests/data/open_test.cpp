#include <kindling/data/open.h>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

DatasetPtr images_of(const std::vector<Shape>& shapes) {
  class Images : public Dataset {
   public:
    explicit Images(std::vector<Shape> shapes) : shapes_(std::move(shapes)) {}
    int64_t size() const override { return static_cast<int64_t>(shapes_.size()); }
    Sample get(int64_t index) const override {
      const Shape& shape = shapes_[static_cast<size_t>(index)];
      if (shape.numel() == 0) throw FileError("#" + std::to_string(index) + ": damaged");
      return {Tensor::zeros(shape, DType::u8), Tensor::scalar(0, DType::i64)};
    }

   private:
    std::vector<Shape> shapes_;
  };
  return std::make_shared<Images>(shapes);
}

}  // namespace

TEST_CASE("open_dataset: shapes") {
  const Splits splits = open_dataset("shapes", {.seed = 3});
  CHECK(splits.train->size() == 10'000);
  CHECK(splits.val->size() == 2'000);
  CHECK(splits.test == nullptr);
  CHECK(splits.train->classes().size() == 10);
  CHECK(bitwise_equal(open_for_eval("shapes", {.seed = 3}).images->get(5).input, splits.val->get(5).input));
  CHECK_FALSE(bitwise_equal(open_for_eval("shapes", {.seed = 4}).images->get(5).input, splits.val->get(5).input));
}

TEST_CASE("open_dataset: folder, with its options") {
  const TempFolder root;
  for (const std::string name : {"a", "b"})
    for (int i = 0; i < 10; ++i) root.write(name + "/" + std::to_string(i) + ".png", make_png(numbered_image(4, 5)));
  const std::string spec = "folder:" + root.path().string();
  CHECK(open_dataset(spec).val->size() == 4);
  CHECK(open_dataset(spec, {.val_share = 0.5}).val->size() == 10);
  const auto [train, val, test] = open_dataset(spec, {.val_share = 0});
  CHECK(train->size() == 20);
  CHECK(val == nullptr);
  CHECK(open_for_eval(spec).images->size() == 20);
  const std::string labels = root.write("labels.txt", std::string("a A\nb B\nc C\n")).string();
  CHECK(open_dataset(spec, {.labels = labels}).train->classes() == std::vector<std::string>{"A", "B", "C"});
  const ClassList list{.folders = {"b", "a"}, .names = {"second", "first"}};
  CHECK(open_dataset(spec, {.classes = list}).train->classes() == std::vector<std::string>{"second", "first"});
  CHECK_THROWS_AS(open_dataset(spec, {.decode = {.max_pixels = 10}}).train->get(0), FileError);
}

TEST_CASE("open_dataset: so many images to train on, and all the others as they are") {
  const TempFolder root;
  for (const std::string name : {"a", "b"})
    for (int i = 0; i < 10; ++i)
      root.write("photos/" + name + "/" + std::to_string(i) + ".png", std::string("damaged"));
  const std::string spec = "folder:" + (root.path() / "photos").string();
  const Splits all = open_dataset(spec, {.seed = 1}), some = open_dataset(spec, {.seed = 1, .train_images = 6});
  CHECK(some.train->size() == 6);  // no file was read
  CHECK(some.val->size() == all.val->size());
  int64_t of_a = 0;
  for (int64_t i = 0; i < 6; ++i) of_a += some.train->label(i) == 0 ? 1 : 0;
  CHECK(of_a == 3);
  CHECK(some.train->about() == all.train->about());  // by which the held-out ones are found
  CHECK(open_dataset(spec, {.seed = 1, .train_images = 16}).train->size() == 16);
  CHECK_THROWS_WITH(open_dataset(spec, {.train_images = 17}),
                    "train-images: 17 is more than the 16 images to train on in " + spec);
  CHECK_THROWS_WITH(open_dataset(spec, {.train_images = 1}), "train-images: 1 is fewer than the 2 classes of " + spec);
  const Splits shapes = open_dataset("shapes", {.train_images = 25});
  CHECK(shapes.train->size() == 25);
  CHECK(shapes.val->size() == 2'000);
  for (int64_t i = 0; i < 25; ++i) CHECK(shapes.train->label(i) == shapes.train->get(i).target.item<int64_t>());
}

TEST_CASE("open_pictures: a folder of any depth, or images of a data set to train on") {
  const TempFolder root;
  for (const std::string name : {"train/a/1", "train/a/2", "train/b/1", "train/b/2", "val/a/1", "val/b/1"})
    root.write(name + ".png", make_png(numbered_image(4, 5)));
  const std::string path = root.path().string();
  CHECK(open_pictures(path, {}, 2)->size() == 6);
  const DatasetPtr drawn = open_pictures("folder:" + path, {}, 2);
  REQUIRE(drawn->size() == 2);
  CHECK_THAT(drawn->describe(0), Catch::StartsWith(path + "/train/a/"));
  CHECK_THAT(drawn->describe(1), Catch::StartsWith(path + "/train/b/"));
  CHECK(open_pictures("folder:" + path, {}, 100)->size() == 4);
  CHECK(open_pictures("shapes", {}, 1'500)->size() == 1'500);
  CHECK_THROWS_AS(open_pictures(path + "/nothing", {}, 2), FileError);
  CHECK(is_data_spec("mnist:x"));
  CHECK_FALSE(is_data_spec("mnist"));
  CHECK_FALSE(is_data_spec("./shapes"));
}

TEST_CASE("has_part: of a folder alone, and if it is there") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "val");
  CHECK(has_part("folder:" + folder.path(), "val"));
  CHECK_FALSE(has_part("folder:" + folder.path(), "test"));
  CHECK_FALSE(has_part("cifar10:" + folder.path(), "val"));
}

TEST_CASE("path_of_folder: of a folder alone") {
  CHECK(path_of_folder("folder:a:b") == "a:b");
  CHECK(path_of_folder("cifar10:a") == std::nullopt);
  CHECK(path_of_folder("shapes") == std::nullopt);
}

TEST_CASE("open_dataset: cifar10 and mnist look in their folders") {
  const TempFolder root;
  const std::string path = root.path().string();
  CHECK_THROWS_WITH(open_dataset("cifar10:" + path), Catch::StartsWith(path + ": has no data_batch_1.bin"));
  CHECK_THROWS_WITH(open_for_eval("cifar10:" + path), Catch::StartsWith(path + ": has no data_batch_1.bin"));
  CHECK_THROWS_WITH(open_dataset("mnist:" + path), Catch::StartsWith(path + "/train-images-idx3-ubyte: no such file"));
  CHECK_THROWS_WITH(open_for_eval("mnist:" + path), Catch::StartsWith(path + "/t10k-images-idx3-ubyte: no such file"));
}

TEST_CASE("open_dataset: unknown names") {
  CHECK_THROWS_MATCHES(open_dataset("imagenet:x"), ShapeError,
                       Message("data: there is no data set \"imagenet:x\"; known are shapes, cifar10:PATH, mnist:PATH "
                               "and folder:PATH"));
  CHECK_THROWS_MATCHES(
      open_dataset("shapes:x"), ShapeError,
      Message("data: there is no data set \"shapes:x\"; known are shapes, cifar10:PATH, mnist:PATH and "
              "folder:PATH"));
  for (const std::string spec : {"folder", "folder:"})
    CHECK_THROWS_MATCHES(open_for_eval(spec), ShapeError, Message("data: \"" + spec + "\" needs a path: folder:PATH"));
}

TEST_CASE("describe_inputs: channels, and the size where images agree") {
  const InputInfo shapes = describe_inputs(*open_dataset("shapes").val);
  CHECK(shapes.channels == 3);
  CHECK(shapes.size == Size2{32, 32});
  CHECK(describe_inputs(*images_of({{4, 5, 1}})).size == Size2(4, 5));
  CHECK(describe_inputs(*images_of({{4, 5, 1}, {4, 5, 1}, {4, 6, 1}, {4, 6, 1}})).size == std::nullopt);
  CHECK(describe_inputs(*images_of({{0, 5, 1}, {4, 5, 1}})).channels == 1);  // the damaged one is passed over
  CHECK_THROWS_MATCHES(describe_inputs(*images_of({{0, 1, 1}, {0, 1, 1}})), FileError,
                       Message("none of the samples can be read: #1: damaged"));
  CHECK_THROWS_MATCHES(describe_inputs(*images_of({{4, 5, 1}, {4, 5, 3}})), ShapeError,
                       Message("describe_inputs: #1 has 3 channels, others 1"));
  CHECK_THROWS_MATCHES(describe_inputs(*images_of({{7}})), ShapeError,
                       Message("describe_inputs: #0 is no image [H, W, C], but [7]"));
}
