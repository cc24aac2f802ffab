// Data that are damaged or do not fit, and disks that are full:
// a clear message, the right exit code, no half-written file.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <kindling/io/atomic_file.h>
#include <kindling/io/safetensors.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> small_run(const std::string& data, const std::string& run) {
  return {"train", "--data", "folder:" + data, "--model", "lenet", "--out", run, "--batch-size", "8", "--epochs", "2"};
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

/// A terminal of 80 columns, of which this is the side that sees what is shown.
class Terminal {
 public:
  Terminal() : descriptor_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (descriptor_ < 0 || ::grantpt(descriptor_) != 0 || ::unlockpt(descriptor_) != 0) return;
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(descriptor_, TIOCSWINSZ, &size);
    path_ = ::ptsname(descriptor_);
  }
  ~Terminal() { ::close(descriptor_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  /// "" if the system gives no terminals.
  std::string path() const { return fs::exists(path_) ? path_ : ""; }
  /// All that was written, once nobody has it open any more.
  std::string shown() const {
    std::string text;
    char block[4096];
    for (ssize_t got; (got = ::read(descriptor_, block, sizeof block)) > 0;)
      text.append(block, static_cast<size_t>(got));
    return text;
  }

 private:
  int descriptor_;
  std::string path_;
};

/// The exit code of a command line of the shell.
int shell(const std::string& line) { return WEXITSTATUS(std::system(line.c_str())); }

std::string command_line(const std::vector<std::string>& arguments) {
  std::string line = KINDLING_COMMAND;
  for (const std::string& argument : arguments) line += " " + argument;
  return line;
}

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

TEST_CASE("a disk without room for the checkpoints is told before training") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome limited = kindling_command(small_run(folder / "data", folder / "run"), {.largest_file = 10'000});
  CHECK(limited.code == 1);
  CHECK(limited.err.ends_with(
      "kindling train: " + (folder / "run") +
      ": a checkpoint of this run needs 0.5 MB, but files may have 10000 bytes here (ulimit -f)\n"));
  CHECK_FALSE(fs::exists(folder / "run/last.ckpt"));
  check_no_temporary_files(folder / "run");

  const SmallDisk disk(folder / "disk", "1m");
  if (!disk.mounted()) {
    WARN("skipped: only root can mount a small disk");
    return;
  }
  const Outcome full = kindling_command(small_run(folder / "data", folder / "disk/run"));
  CHECK(full.code == 1);
  CHECK(full.err.ends_with("kindling train: " + (folder / "disk/run") +
                           ": the checkpoints of this run need 1.6 MB on the disk, of which 1.0 MB are free\n"));
}

TEST_CASE("for a run that goes on room is needed for the checkpoints that it has not, and for one that is replaced") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const SmallDisk disk(folder / "disk", "2m");  // for three checkpoints of 0.53 MB, and no fourth
  if (!disk.mounted()) {
    WARN("skipped: only root can mount a small disk");
    return;
  }
  const std::string run = folder / "disk/run";
  REQUIRE(kindling_command(small_run(folder / "data", run)).code == 0);
  CHECK(kindling_command({"train", "--resume", run, "--epochs", "3"}).code == 0);
  fs::remove(run + "/best.ckpt");
  std::ofstream(folder / "disk/filler", std::ios::binary) << std::string(700'000, 'x');
  CHECK_THAT(kindling_command({"train", "--resume", run, "--epochs", "4"}).err,
             Contains("the checkpoints of this run need 1.1 MB on the disk, of which 0."));
}

TEST_CASE("a disk that fills up while a run trains: it goes on, and ends well if there is room again in time") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const SmallDisk disk(folder / "disk", "16m");
  if (!disk.mounted()) {
    WARN("skipped: only root can mount a small disk");
    return;
  }
  const std::string run = folder / "disk/run", filler = folder / "disk/filler", err = folder / "err";
  write_file(err, "");
  Command command(with(small_run(folder / "data", run), {"--epochs", "100000", "--log-every", "1"}),
                  {.standard_error = err});
  REQUIRE(command.wait_until([&] { return fs::exists(run + "/last.ckpt"); }));
  std::ofstream(filler, std::ios::binary) << std::string(16'000'000, 'x');  // as much as goes in
  const std::string told = run + "/last.ckpt: cannot be written: No space left on device; tried again at the next ";
  REQUIRE(command.wait_until([&] { return contents(err).find("note: " + told) != std::string::npos; }));

  SECTION("there is room again") {
    fs::remove(filler);
    const std::string before = contents(run + "/last.ckpt");
    REQUIRE(command.wait_until([&] { return contents(run + "/last.ckpt") != before; }));
    command.signal(SIGINT);
    CHECK(command.wait().code == 130);
    const auto lines = json_lines(run + "/metrics.jsonl");
    for (size_t i = 1; i < lines.size(); ++i)  // none is missing
      CHECK(lines[i]["step"].get<int64_t>() - lines[i - 1]["step"].get<int64_t>() <= 1);
  }
  SECTION("there is none until the end") {
    command.signal(SIGINT);
    CHECK(command.wait().code == 1);
    CHECK_THAT(contents(err), Contains("what was trained since the last checkpoint is lost"));
    CHECK(kindling_command({"info", "--weights", run + "/last.ckpt"}).code == 0);  // the one before, whole
  }
  check_no_temporary_files(run);
}

TEST_CASE("another's best.ckpt is not overwritten") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  fs::create_directories(folder / "run");
  write_file(folder / "run/best.ckpt", "precious");
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("kindling train: " + (folder / "run") + ": holds a run already"));
  CHECK(contents(folder / "run/best.ckpt") == "precious");
  CHECK_FALSE(fs::exists(folder / "run/metrics.jsonl"));
}

TEST_CASE("a validation that fails does not cost the epoch before it") {
  const TemporaryFolder folder;
  write_images(folder / "data/train", {"blue", "green"}, 20);
  write_images(folder / "data/val", {"blue", "green"}, 4);
  const std::string damaged = folder / "data/val/green/1003.bmp", whole = contents(damaged);
  cut_in_half(damaged);
  const Outcome strict = kindling_command(with(small_run(folder / "data", folder / "run"), {"--strict"}));
  CHECK(strict.code == 1);
  CHECK_THAT(strict.err, Contains(damaged));
  write_file(damaged, whole);
  CHECK(kindling_command({"train", "--resume", folder / "run"}).code == 0);
  CHECK(kindling_command(with(small_run(folder / "data", folder / "straight"), {"--strict"})).code == 0);
  CHECK(contents(folder / "run/last.ckpt") == contents(folder / "straight/last.ckpt"));
}

TEST_CASE("too little address space is told, where OpenBLAS would hang") {
  if (!kCanLimitAddressSpace) return;
  const Outcome outcome = kindling_command({"--version"}, {.address_space = int64_t{300'000} * 1024});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("kindling: too little address space: OpenBLAS needs 300 MB"));
}

TEST_CASE("standard output that cannot be written") {
  const TemporaryFolder folder;
  CHECK(shell(command_line({"info", "--model", "lenet"}) + " > /dev/full 2> " + (folder / "err")) == 1);
  CHECK_THAT(contents(folder / "err"), Contains("standard output cannot be written: No space left on device"));
}

TEST_CASE("no message if the reader of standard output has gone") {
  const TemporaryFolder folder;
  shell("trap '' PIPE; { sleep 0.2; " + command_line({"info", "--model", "lenet"}) + " 2> " + (folder / "err") +
        "; echo $? > " + (folder / "code") + "; } | true");
  CHECK(contents(folder / "err").empty());
  CHECK(contents(folder / "code") == "1\n");
}

TEST_CASE("standard error that cannot be written ends nothing and changes no exit code") {
  CHECK(shell(command_line({"foo"}) + " 2> /dev/full") == 2);
  CHECK(shell(command_line({"foo"}) + " 2>&-") == 2);

  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  const auto train = [&](const char* run) { return command_line(small_run(folder / "data", folder / run)); };
  CHECK(shell(train("full") + " > /dev/null 2> /dev/full") == 0);
  CHECK(shell(train("closed") + " > /dev/null 2>&-") == 0);
  CHECK(json_lines(folder / "closed/metrics.jsonl").size() == 2);  // nothing went there instead
  shell("(" + train("gone") + " 2>&1 > /dev/null; echo $? > " + (folder / "code") + ") | true");
  CHECK(contents(folder / "code") == "0\n");
}

TEST_CASE("paths that are not UTF-8 do not spoil the JSON document") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  const Outcome outcome = kindling_command(with(small_run(folder / "data", folder / "run\xE9"), {"--json"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["run"] == folder / "run\xEF\xBF\xBD");
}

TEST_CASE("control characters in names never reach a terminal") {
  const TemporaryFolder folder;
  const Terminal terminal;
  const std::string red = "\x1b[31m", evil = "gr" + red + "\xC2\x9B" + "2J\nkindling: all is well\r\x07";
  write_images(folder / "data", {"blue", evil}, 20);
  cut_in_half(folder / ("data/" + evil + "/1003.bmp"));
  const auto check_clean = [](const std::string& text) {
    INFO(text);
    CHECK_THAT(text,
               !Contains("\x1b[31m") && !Contains("\xC2\x9B") && !Contains("\nkindling: all") && !Contains("\x07"));
  };
  const Outcome trained = kindling_command(small_run(folder / "data", folder / "run"));
  CHECK(trained.code == 0);
  CHECK_THAT(trained.err, Contains("note: skipped: ") && Contains("gr\\x1b[31m\\xc2\\x9b2J\\x0akindling: all"));
  check_clean(trained.err + trained.out);
  const Outcome missing = kindling_command({"info", "--weights", folder / evil});
  CHECK(missing.code == 1);
  CHECK_THAT(missing.err, Contains("gr\\x1b[31m"));
  check_clean(missing.err);
  check_clean(kindling_command({evil}).err);
  const Outcome document = kindling_command(with(small_run(folder / "data", folder / ("run" + evil)), {"--json"}));
  CHECK_THAT(document.out, Contains("\\u009b2J") && !Contains("\xC2\x9B"));
  CHECK(document.json()["run"] == folder / ("run" + evil));
  write_safetensors(folder / "evil.safetensors", {{evil, Tensor::zeros({1})}});
  const Outcome described = kindling_command({"info", "--weights", folder / "evil.safetensors"});
  CHECK(described.code == 0);
  check_clean(described.out);

  if (terminal.path().empty()) return;
  const CommandOptions options{.environment = {{"NO_COLOR", ""}, {"TERM", "xterm"}}, .standard_error = terminal.path()};
  CHECK(kindling_command(small_run(folder / "data", folder / "again"), options).code == 0);
  const std::string shown = terminal.shown();  // where our own colours and the bar still work
  CHECK_THAT(shown, Contains("\x1b[32mbest\x1b[0m") && Contains("\x1b[K") && !Contains("gr\x1b[31m"));
}

TEST_CASE("the progress bar leaves room for the text behind it") {
  const TemporaryFolder folder;
  const Terminal terminal;
  if (terminal.path().empty()) {
    WARN("skipped: there are no terminals here");
    return;
  }
  write_images(folder / "data", {"blue", "green"}, 20);
  const CommandOptions options{.standard_error = terminal.path()};
  CHECK(kindling_command(small_run(folder / "data", folder / "run"), options).code == 0);
  const std::string shown = terminal.shown();
  CHECK_THAT(shown, Contains("epoch 1/2  [###") && Contains(" left\x1b[K") && !Contains(" lef\x1b[K"));
}
