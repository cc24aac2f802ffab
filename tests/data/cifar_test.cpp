#include <kindling/data/cifar.h>

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

// Records of the classes `labels`; the value at (y, x, c) of record i is i + 3 y + 5 x + 7 c mod 256.
ByteVector records(const std::vector<int>& labels) {
  ByteVector bytes;
  for (size_t i = 0; i < labels.size(); ++i) {
    bytes.push_back(static_cast<std::byte>(labels[i]));
    for (size_t c = 0; c < 3; ++c)
      for (size_t y = 0; y < 32; ++y)
        for (size_t x = 0; x < 32; ++x) bytes.push_back(static_cast<std::byte>(i + 3 * y + 5 * x + 7 * c));
  }
  return bytes;
}

void write_all(const TempFolder& root, const std::string& prefix) {
  for (int i = 1; i <= 5; ++i) root.write(prefix + "data_batch_" + std::to_string(i) + ".bin", records({i, i, i, i}));
  root.write(prefix + "test_batch.bin", records({7, 8}));
}

}  // namespace

TEST_CASE("cifar10_file: planes become pixels") {
  const TempFolder root;
  const DatasetPtr file = cifar10_file(root.write("x.bin", records({3, 9})));
  CHECK(file->size() == 2);
  CHECK(file->classes()[3] == "cat");
  CHECK(file->get(1).target.item<int64_t>() == 9);
  const Tensor image = file->get(1).input;
  CHECK(image.shape() == Shape{32, 32, 3});
  CHECK(image.dtype() == DType::u8);
  CHECK(image.at<uint8_t>({0, 0, 0}) == 1);
  CHECK(image.at<uint8_t>({20, 11, 2}) == 1 + 60 + 55 + 14);
  CHECK(image.at<uint8_t>({31, 30, 1}) == (1 + 93 + 150 + 7) % 256);
}

TEST_CASE("cifar10: five training files in order, one to test on, in either place") {
  for (const std::string prefix : {"", "cifar-10-batches-bin/"}) {
    const TempFolder root;
    write_all(root, prefix);
    const auto [train, val, test] = cifar10(root.path(), {.share = 0.1});
    CHECK(train->size() == 18);
    CHECK(val->size() == 2);
    CHECK(test->size() == 2);
    int64_t previous = 1;
    for (int64_t i = 0; i < train->size(); ++i) {
      CHECK(train->get(i).target.item<int64_t>() >= previous);
      previous = train->get(i).target.item<int64_t>();
    }
    CHECK(cifar10(root.path(), {.share = 0}).train->size() == 20);
    CHECK(cifar10(root.path(), {.share = 0}).val == nullptr);
    CHECK(cifar10_test(root.path())->get(1).target.item<int64_t>() == 8);
  }
}

TEST_CASE("cifar10: damaged and missing files") {
  const TempFolder root;
  const std::string path = root.path().string();
  CHECK_THROWS_MATCHES(cifar10(path), FileError,
                       Message(path +
                               ": has no data_batch_1.bin to data_batch_5.bin and test_batch.bin, CIFAR-10's "
                               "binary version; images in folders are read as folder:" +
                               path));
  write_all(root, "");
  std::filesystem::remove(root.path() / "data_batch_3.bin");
  CHECK_THROWS_MATCHES(cifar10(path), FileError,
                       Message(path + "/data_batch_3.bin: cannot be opened: No such file or directory"));
  const std::string file = path + "/data_batch_3.bin";
  ByteVector bytes = records({1, 2});
  bytes.pop_back();
  root.write("data_batch_3.bin", bytes);
  CHECK_THROWS_MATCHES(
      cifar10(path), FileError,
      Message(file + ": the record at byte 3073 is cut short: the file has 6145 bytes, a record 3073"));
  root.write("data_batch_3.bin", records({1, 10}));
  CHECK_THROWS_MATCHES(cifar10(path), FileError, Message(file + ": class 10 at byte 3073 is not one of 0 to 9"));
  root.write("data_batch_3.bin", std::string());
  CHECK_THROWS_MATCHES(cifar10(path), FileError, Message(file + ": the file is empty"));
  std::filesystem::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  CHECK_THROWS_MATCHES(cifar10(path), FileError, Message(file + ": is a named pipe, not a file"));
}
