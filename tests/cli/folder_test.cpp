// Folders of pictures as they are found: with pipes, links and other formats in them, all or nothing held out, moved.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/data/test_files.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> small_run(const std::string& data, const std::string& run,
                                   const std::vector<std::string>& more = {}) {
  return with({"train", "--data", "folder:" + data, "--model", "lenet", "--out", run, "--batch-size", "8", "--epochs",
               "2", "--threads", "1"},
              more);
}

size_t times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a named pipe and links that lead nowhere are skipped and named, or stop a strict run") {
  const TemporaryFolder folder;
  write_images(folder / "data/train", {"blue", "green"}, 20);
  write_images(folder / "data/val", {"blue", "green"}, 4);
  const std::string pipe = folder / "data/train/blue/2000.jpg", loop = folder / "data/train/green/2000.jpg";
  const std::string dangling = folder / "data/val/green/2000.jpg";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  fs::create_symlink(loop, loop);
  fs::create_symlink(folder / "nothing.jpg", dangling);

  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run"));
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("note: skipped: " + pipe + ": is a named pipe, not a file") &&
                              Contains("note: skipped: " + loop + ": is a link that leads back to itself") &&
                              Contains("note: skipped: " + dangling + ": is a link to " + (folder / "nothing.jpg")));
  const Outcome measured = kindling_command({"eval", "--weights", folder / "run/last.ckpt", "--json"});
  CHECK(measured.json()["images"] == 8);
  CHECK(measured.json()["skipped"].size() == 1);

  const Outcome strict = kindling_command(small_run(folder / "data", folder / "strict", {"--strict"}));
  CHECK(strict.code == 1);
  CHECK_THAT(strict.err, Contains("kindling train: " + (folder / "data/train")));
}

TEST_CASE("pictures of other formats are named once, with their number") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  for (const char* name : {"blue/a.webp", "green/b.webp", "green/c.gif"}) write_file(folder / "data/" + name, "bytes");
  const std::string note =
      "note: skipped: " + (folder / "data") + ": GIF (1 file), WebP (2 files): not read; convert them to JPEG or PNG";
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run"));
  CHECK(outcome.code == 0);
  CHECK(times(outcome.err, note) == 1);
  CHECK(times(kindling_command({"eval", "--weights", folder / "run/best.ckpt"}).err, note) == 1);

  fs::create_directory(folder / "data/red");
  write_file(folder / "data/red/a.webp", "bytes");
  const Outcome refused = kindling_command(small_run(folder / "data", folder / "refused"));
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err,
             Contains((folder / "data/red") + ": has no images in it (.jpg, .jpeg, .png, .bmp), but WebP"));
}

TEST_CASE("images larger than --max-pixels are damaged ones") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  write_images(folder / "data", {"blue"}, 1, 32);  // the first of them is larger
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run", {"--max-pixels", "1000"}));
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("note: skipped: " + (folder / "data/blue/1000.bmp") +
                                   ": the image has 32 x 32 pixels; at most 1000 are accepted (max_pixels)"));
  CHECK_THAT(kindling_command(small_run(folder / "data", folder / "all", {"--max-pixels", "1024"})).err,
             !Contains("skipped"));
  CHECK(kindling_command({"eval", "--weights", folder / "all/best.ckpt", "--max-pixels", "255", "--data",
                          "folder:" + (folder / "data")})
            .code == 1);
}

TEST_CASE("train: --val-share 0 trains on everything, and says that nothing was held out") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run", {"--val-share", "0"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("40 images of 2 classes, none for validation"));
  CHECK_THAT(outcome.out, Contains("nothing was held out, so best.ckpt is the last epoch's; measure on other images "
                                   "with: kindling eval --weights " +
                                   (folder / "run/best.ckpt") + " --data folder:PATH") &&
                              !Contains("validation"));
  CHECK(contents(folder / "run/best.ckpt") == contents(folder / "run/last.ckpt"));
  CHECK(json_lines(folder / "run/metrics.jsonl").back()["val_top1"].is_null());
  CHECK(json_lines(folder / "run/metrics.jsonl").back()["step"] == 10);

  const Outcome patient =
      kindling_command(small_run(folder / "data", folder / "patient", {"--val-share", "0", "--patience", "2"}));
  CHECK(patient.code == 2);
  CHECK_THAT(patient.err, Contains("--patience has no effect: no images are held out"));
}

TEST_CASE("train --weights takes the checkpoint's model for a folder, without what preset photos has for its own") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run")).code == 0);
  const Outcome outcome = kindling_command({"train", "--weights", folder / "run/best.ckpt", "--data",
                                            "folder:" + (folder / "data"), "--epochs", "1", "--out", folder / "more"});
  INFO(outcome.err);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("lenet ("));
}

TEST_CASE("a line break in names begins no line") {
  const TemporaryFolder folder;
  const std::string data = folder / "two\nlines";
  write_images(data, {"blue\nsky", "green"}, 8);
  const Outcome trained = kindling_command(small_run(data, folder / "run\nfake"));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.out,
             Contains("run\\x0afake/curves.svg\nmeasure with") && !Contains("\nfake") && !Contains("\nlines"));
  const std::string checkpoint = folder / "run\nfake/best.ckpt";
  CHECK_THAT(kindling_command({"eval", "--weights", checkpoint}).out, Contains("two\\x0alines ("));
  CHECK_THAT(kindling_command({"info", "--weights", checkpoint}).out, Contains("classes: blue\\x0asky, green\n"));
  write_weights_alone(checkpoint, folder / "w\nfake");
  CHECK_THAT(kindling_command({"info", "--weights", folder / "w\nfake"}).out, Contains("/w\\x0afake: "));
}

TEST_CASE("train: of pictures that are no squares the middle is cut out, an eighth larger beforehand") {
  const TemporaryFolder folder;
  for (const std::string name : {"blue/1.bmp", "blue/2.bmp", "green/1.bmp", "green/2.bmp"}) {
    const auto bytes = data::make_bmp(Tensor::zeros({20, 30, 3}, DType::u8));
    fs::create_directories(fs::path(folder / ("data/" + name)).parent_path());
    write_file(folder / ("data/" + name), std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run",
                                     {"--epochs", "1", "--batch-size", "2", "--size", "14", "--val-share", "0.5"}))
              .code == 0);
  const json info = kindling_command({"info", "--weights", folder / "run/last.ckpt", "--json"}).json();
  CHECK(info["preprocessing"]["size"] == 14);
  CHECK(info["preprocessing"]["shorter"] == 16);
}

TEST_CASE("train: without preset photos, squares of up to 64 pixels keep their size, larger ones get the model's") {
  const TemporaryFolder folder;
  for (const auto& [pixels, size] : {std::pair{64, 64}, {65, 28}}) {
    const std::string data = folder / std::to_string(pixels), run = data + "-run";
    write_images(data, {"blue", "green"}, 2, pixels);
    REQUIRE(kindling_command({"train", "--preset", "cifar", "--model", "lenet", "--data", "folder:" + data, "--epochs",
                              "1", "--batch-size", "2", "--val-share", "0", "--out", run})
                .code == 0);
    CHECK(json::parse(contents(run + "/config.json"))["size"] == size);
  }
}

TEST_CASE("train fits pictures as validation does, also where most are squares and one is not") {
  const TemporaryFolder folder;
  const std::string train = folder / "data/train";
  write_images(train, {"blue", "green"}, 16);
  Tensor wide = Tensor::empty({16, 64, 3}, DType::u8);  // of which the left is dark and the right is bright
  for (int64_t i = 0; i < wide.numel(); ++i) wide.data<uint8_t>()[i] = i / 3 % 64 < 24 ? 0 : i / 3 % 64 < 40 ? 90 : 255;
  const auto bytes = data::make_bmp(wide);
  for (const char* name : {"/blue/1001.bmp", "/green/1003.bmp"})  // not among the 16 that the sizes are taken from
    write_file(train + name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  fs::copy(train, folder / "data/val", fs::copy_options::recursive);
  const Outcome outcome =
      kindling_command(with(small_run(folder / "data", folder / "run"),
                            {"--epochs", "1", "--lr", "0", "--augment", "none", "--label-smoothing", "0", "--json"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json result = outcome.json();
  CHECK_THAT(result["train_loss"].get<double>(), Catch::WithinRel(result["val_loss"].get<double>(), 1e-5));
}
