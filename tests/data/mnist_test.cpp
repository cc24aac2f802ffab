#include <kindling/data/mnist.h>

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "test_files.h"

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::EndsWith;
using Catch::Matchers::Message;
using Catch::Matchers::StartsWith;

namespace {

ByteVector idx(const std::vector<int>& sizes, const std::vector<int>& values, int type = 8) {
  ByteVector bytes{std::byte{0}, std::byte{0}, static_cast<std::byte>(type), static_cast<std::byte>(sizes.size())};
  for (const int size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(size >> shift));
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<int> counted(int n) {
  std::vector<int> values;
  for (int i = 0; i < n; ++i) values.push_back(i % 256);
  return values;
}

// Ten training images of 2x3 pixels and two to test on.
void write_all(const TempFolder& root) {
  root.write("train-images-idx3-ubyte", idx({10, 2, 3}, counted(60)));
  root.write("train-labels-idx1-ubyte.gz", gzip(idx({10}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0})));
  root.write("t10k-images-idx3-ubyte.gz", gzip(idx({2, 2, 3}, counted(12))));
  root.write("t10k-labels-idx1-ubyte", idx({2}, {4, 2}));
}

}  // namespace

TEST_CASE("read_idx: plain and compressed, any number of axes") {
  const TempFolder root;
  const ByteVector bytes = idx({3, 5, 2}, counted(30));
  for (const ByteVector& file : {bytes, gzip(bytes)}) {
    const Tensor array = read_idx(root.write("x", file));
    CHECK(array.shape() == Shape{3, 5, 2});
    CHECK(array.dtype() == DType::u8);
    CHECK(array.at<uint8_t>({2, 4, 1}) == 29);
  }
  CHECK(read_idx(root.write("x", idx({4}, counted(4)))).to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3});
  const ByteVector large = idx({3000, 1000}, counted(3'000'000));  // more than is read at once
  CHECK(read_idx(root.write("x", gzip(large))).at<uint8_t>({2999, 999}) == 2'999'999 % 256);
}

TEST_CASE("read_idx: damaged files") {
  const TempFolder root;
  const auto refused = [&](const ByteVector& bytes, const std::string& message) {
    const std::string path = root.write("x", bytes).string();
    CHECK_THROWS_MATCHES(read_idx(path), FileError, Message(path + ": " + message));
  };
  refused(idx({2}, {1, 2}, 9),
          "the magic number at byte 0 is 0x901, not 0x801 to 0x808: no IDX file of unsigned bytes");
  refused(idx({}, {}), "the magic number at byte 0 is 0x800, not 0x801 to 0x808: no IDX file of unsigned bytes");
  refused({}, "the IDX header is cut short: the file ends at byte 0");
  refused(idx({2, 3}, {1, 2, 3, 4}), "is cut short: the file ends at byte 16, an array [2, 3] needs 2 more");
  refused(idx({2, 3}, counted(7)), "goes on after byte 18, where its array [2, 3] ends");
  refused(idx({-1, -1, -1}, {}), "the size at byte 8 is 4294967295: too many elements");
  refused(idx({0x40000000}, {1}), "is cut short: the file ends at byte 9, an array [1073741824] needs 1073741823 more");
  ByteVector header = idx({2, 3}, {});
  header.resize(10);
  refused(header, "the IDX header is cut short: the file ends at byte 10");

  ByteVector zipped = gzip(idx({50}, counted(50)));
  zipped.resize(zipped.size() - 9);
  const std::string path = root.write("x.gz", zipped).string();
  CHECK_THROWS_WITH(read_idx(path), StartsWith(path + ": damaged: ") && EndsWith(" of its contents"));
  const std::string absent = (root.path() / "absent").string();
  CHECK_THROWS_MATCHES(read_idx(absent), FileError, Message(absent + ": cannot be opened: No such file or directory"));
}

TEST_CASE("mnist: four files, each plain or compressed") {
  const TempFolder root;
  write_all(root);
  const auto [train, val, test] = mnist(root.path(), {.share = 0.2});
  CHECK(train->size() == 8);
  CHECK(mnist(root.path(), {.share = 0}).train->size() == 10);
  CHECK(mnist(root.path(), {.share = 0}).val == nullptr);
  CHECK(val->size() == 2);
  CHECK(test->size() == 2);
  CHECK(test->classes().size() == 10);
  CHECK(test->get(1).input.shape() == Shape{2, 3, 1});
  CHECK(test->get(1).input.to_vector<int64_t>() == std::vector<int64_t>{6, 7, 8, 9, 10, 11});
  CHECK(test->get(1).target.item<int64_t>() == 2);
  for (int64_t i = 0; i < train->size(); ++i)  // image i begins with 6 i, and its label is 9 - i
    CHECK(train->get(i).target.item<int64_t>() == 9 - train->get(i).input.at<uint8_t>({0, 0, 0}) / 6);
}

TEST_CASE("mnist: files that are missing or do not fit together") {
  const TempFolder root;
  write_all(root);
  const std::string labels = (root.path() / "t10k-labels-idx1-ubyte").string();
  const auto refused = [&](const std::string& message) {
    CHECK_THROWS_MATCHES(mnist_test(root.path()), FileError, Message(message));
  };
  root.write("t10k-labels-idx1-ubyte", idx({3}, {4, 2, 1}));
  refused(labels + ": holds 3 labels for 2 images");
  root.write("t10k-labels-idx1-ubyte", idx({2}, {4, 12}));
  refused(labels + ": label 12 at byte 9 is not one of 0 to 9");
  root.write("t10k-labels-idx1-ubyte", idx({2, 1}, {4, 1}));
  refused(labels + ": holds an array of 2 axes, needed is 1");
  std::filesystem::remove(labels);
  refused(labels + ": no such file, nor t10k-labels-idx1-ubyte.gz");
  REQUIRE(::mkfifo(labels.c_str(), 0600) == 0);
  refused(labels + ": is a named pipe, not a file");
  std::filesystem::remove(labels);
  std::filesystem::create_symlink(labels, labels);
  refused(labels + ": is a link that leads back to itself");
}
