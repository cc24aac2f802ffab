// Data that are damaged or do not fit, and disks that are full:
// a clear message, the right exit code, no half-written file.
#include <catch2/catch.hpp>

#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include <kindling/io/atomic_file.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> small_run(const std::string& data, const std::string& run) {
  return {"train", "--data", "folder:" + data, "--model", "lenet", "--out", run, "--batch-size", "8", "--epochs", "2"};
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void cut_in_half(const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); }

/// A file system of its own with so many bytes; needs root.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const std::string& size) : path_(path) {
    fs::create_directories(path);
    mounted_ = ::mount("none", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_;
};

void check_no_temporary_files(const std::string& run) {
  for (const auto& entry : fs::directory_iterator(run)) {
    INFO(entry.path());
    CHECK(entry.path().filename().string().find(".tmp") == std::string::npos);
  }
}

}  // namespace

TEST_CASE("an image that is cut short is skipped and named, or stops a strict run") {
  const TemporaryFolder folder;
  write_images(folder / "data/train", {"blue", "green"}, 20);
  write_images(folder / "data/val", {"blue", "green"}, 4);
  const std::string damaged = folder / "data/train/green/1003.bmp";
  cut_in_half(damaged);

  const Outcome skipped = kindling_command(small_run(folder / "data", folder / "run"));
  CHECK(skipped.code == 0);
  CHECK_THAT(skipped.err, Contains("note: skipped: " + damaged));
  const Outcome quiet = kindling_command(with(small_run(folder / "data", folder / "quiet"), {"--quiet"}));
  CHECK_THAT(quiet.err, Contains("note: skipped: " + damaged));  // what is wrong is said even then

  const Outcome strict = kindling_command(with(small_run(folder / "data", folder / "strict"), {"--strict"}));
  CHECK(strict.code == 1);
  CHECK_THAT(strict.err, Contains("kindling train: ") && Contains(damaged));
}

TEST_CASE("an empty folder, a folder with one class, a class without images") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "empty");
  const Outcome empty = kindling_command(small_run(folder / "empty", folder / "run"));
  CHECK(empty.code == 1);
  CHECK_THAT(empty.err, Contains(folder / "empty"));

  write_images(folder / "one", {"blue"}, 20);
  const Outcome one = kindling_command(small_run(folder / "one", folder / "run"));
  CHECK(one.code == 1);
  CHECK_THAT(one.err, Contains(folder / "one") && Contains("class"));

  write_images(folder / "hollow", {"blue", "green"}, 20);
  fs::create_directories(folder / "hollow/red");
  const Outcome hollow = kindling_command(small_run(folder / "hollow", folder / "run"));
  CHECK(hollow.code == 1);
  CHECK_THAT(hollow.err, Contains("hollow/red"));
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("a batch larger than the data") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  const Outcome outcome = kindling_command({"train", "--data", "folder:" + (folder / "data"), "--model", "lenet",
                                            "--out", folder / "run", "--batch-size", "100"});
  CHECK(outcome.code == 2);
  CHECK(outcome.err ==
        "kindling train: --batch-size 100 is larger than the training set of 32 images: use 32 or less\nTry 'kindling "
        "train --help'.\n");
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("fewer --classes than the data has") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome outcome = kindling_command(with(small_run(folder / "data", folder / "run"), {"--classes", "2"}));
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("--classes 2: the data has 3 classes"));
}

TEST_CASE("weights that do not fit, and files that are no weights") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run")).code == 0);
  const Outcome other =
      kindling_command({"info", "--model", "squeezenet_cifar", "--weights", folder / "run/last.ckpt"});
  CHECK(other.code == 1);
  CHECK_THAT(other.err, Contains(folder / "run/last.ckpt") && Contains("fire2/squeeze/weight"));

  write_file(folder / "noise.safetensors", "this is no safetensors file");
  const Outcome noise = kindling_command({"info", "--weights", folder / "noise.safetensors"});
  CHECK(noise.code == 1);
  CHECK_THAT(noise.err, Contains((folder / "noise.safetensors") + ": byte "));
}

TEST_CASE("training that diverges is stopped with the layer's name and advice") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome outcome = kindling_command(
      with(small_run(folder / "data", folder / "run"), {"--lr", "1e30", "--clip-norm", "0", "--schedule", "constant"}));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err,
             Contains("kindling train: update ") && Contains("A smaller --lr, or --clip-norm 1, may help."));
}

TEST_CASE("a checkpoint that does not fit on the disk leaves the one before whole") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run"), {.largest_file = 10'000});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err,
             Contains("kindling train: ") && Contains(folder / "run/best.ckpt") && Contains("File too large"));
  CHECK_FALSE(fs::exists(folder / "run/best.ckpt"));
  CHECK_FALSE(fs::exists(folder / "run/last.ckpt"));
  check_no_temporary_files(folder / "run");
}

TEST_CASE("a full disk") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const SmallDisk disk(folder / "disk", "100k");
  if (!disk.mounted()) {
    WARN("skipped: only root can mount a small disk");
    return;
  }
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "disk/run"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("kindling train: ") && Contains(folder / "disk/run/best.ckpt") &&
                              Contains("No space left on device"));
  CHECK_FALSE(fs::exists(folder / "disk/run/best.ckpt"));
  check_no_temporary_files(folder / "disk/run");
}

TEST_CASE("standard output that cannot be written") {
  const TemporaryFolder folder;
  const std::string command = std::string(KINDLING_COMMAND) + " info --model lenet > /dev/full 2> " + (folder / "err");
  const int status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 1);
  CHECK_THAT(contents(folder / "err"), Contains("standard output cannot be written: No space left on device"));
}
