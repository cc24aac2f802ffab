// kindling classify.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

/// A checkpoint alone in a folder, of a network that tells blue, green and red pictures apart, and
/// such pictures.
struct Trained {
  TemporaryFolder folder;
  std::string checkpoint = folder / "colours.ckpt", pictures = folder / "data";

  Trained() {
    write_images(pictures, {"blue", "green", "red"}, 20);
    const Outcome outcome = kindling_command({"train", "--data", "folder:" + pictures, "--model", "squeezenet_cifar",
                                              "--norm", "batch", "--size", "16", "--epochs", "6", "--batch-size", "8",
                                              "--augment", "none", "--lr", "0.05", "--out", folder / "run"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    fs::rename(folder / "run/last.ckpt", checkpoint);
    fs::remove_all(folder / "run");
  }
  std::vector<std::string> command(const std::vector<std::string>& more) const {
    return with({"classify", "--weights", checkpoint}, more);
  }
};

}  // namespace

TEST_CASE("classify: pictures in folders at any depth, by a checkpoint alone") {
  const Trained trained;
  fs::create_directories(trained.folder / "mine/deep");
  fs::copy_file(trained.pictures + "/red/1000.bmp", trained.folder / "mine/deep/first.bmp");
  fs::copy_file(trained.pictures + "/blue/1001.bmp", trained.folder / "mine/second.BMP");
  std::ofstream(trained.folder / "mine/notes.txt") << "no picture";
  const std::string green = trained.pictures + "/green/1002.bmp";

  const Outcome outcome = kindling_command(trained.command({green, trained.folder / "mine", "--json"}));
  INFO(outcome.err);
  CHECK(outcome.code == 0);
  const json document = outcome.json();
  CHECK(document["skipped"].empty());
  const json& results = document["results"];
  REQUIRE(results.size() == 3);
  const std::vector<std::pair<std::string, std::string>> expected{
      {green, "green"}, {trained.folder / "mine/deep/first.bmp", "red"}, {trained.folder / "mine/second.BMP", "blue"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO(results[i]);
    CHECK(results[i]["file"] == expected[i].first);
    const json& top = results[i]["top"];
    REQUIRE(top.size() == 3);
    CHECK(top[0]["label"] == expected[i].second);
    CHECK(top[0]["index"] == (expected[i].second == "blue" ? 0 : expected[i].second == "green" ? 1 : 2));
    CHECK(top[0]["probability"] >= top[1]["probability"]);
    double sum = 0;
    for (const json& answer : top) sum += answer["probability"].get<double>();
    CHECK_THAT(sum, Catch::WithinAbs(1, 1e-6));
  }
}

TEST_CASE("classify: names, probabilities and bars for a person") {
  const Trained trained;
  const std::string red = trained.pictures + "/red/1000.bmp";
  const Outcome outcome = kindling_command(trained.command({red, "--top", "2"}));
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith(red + "\n  red  ") && Contains(" %  ##"));
  CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') == 3);
}

TEST_CASE("classify: what cannot be read is named and passed over") {
  const Trained trained;
  const std::string folder = trained.folder / "odd";
  fs::create_directories(folder);
  std::ofstream(folder + "/broken.jpg") << "no picture";
  REQUIRE(::mkfifo((folder + "/pipe.jpg").c_str(), 0600) == 0);
  fs::create_symlink("loop.png", folder + "/loop.png");
  const std::vector<std::string> arguments{folder, folder + "/missing.jpg", "--json"};

  const Outcome none = kindling_command(trained.command(arguments));
  CHECK(none.code == 1);
  CHECK(none.json()["results"].empty());
  CHECK(none.json()["skipped"].size() == 4);
  CHECK_THAT(none.err, EndsWith("\nkindling classify: no picture could be read: name JPEG, PNG or BMP files that are "
                                "whole, or folders that hold some\n"));

  fs::copy_file(trained.pictures + "/red/1000.bmp", folder + "/good.bmp");
  const Outcome some = kindling_command(trained.command(arguments));
  CHECK(some.code == 0);
  CHECK(some.json()["results"].size() == 1);
  const json skipped = some.json()["skipped"];
  CHECK(skipped.size() == 4);
  for (const std::string name : {"broken.jpg", "pipe.jpg", "loop.png", "missing.jpg"}) {
    INFO(name << " in " << skipped);
    CHECK(std::any_of(skipped.begin(), skipped.end(), [&](const json& message) {
      return message.get<std::string>().starts_with(folder + "/" + name + ": ");
    }));
    CHECK_THAT(some.err, Contains("note: skipped: " + folder + "/" + name + ": "));
  }
  const Outcome empty = kindling_command(trained.command({trained.folder / "none"}));
  CHECK(empty.code == 1);
}

TEST_CASE("classify: pictures of other formats are counted") {
  const Trained trained;
  const std::string folder = trained.folder / "formats";
  fs::create_directories(folder + "/deep");
  for (const char* name : {"/a.webp", "/deep/b.WEBP", "/c.gif"}) std::ofstream(folder + name) << "bytes";
  const std::string message = folder + ": GIF (1 file), WebP (2 files): not read; convert them to JPEG or PNG";
  const Outcome none = kindling_command(trained.command({folder, "--json"}));
  CHECK(none.code == 1);
  CHECK(none.json()["skipped"] == json{message});
  fs::copy_file(trained.pictures + "/red/1000.bmp", folder + "/good.bmp");
  const Outcome some = kindling_command(trained.command({folder}));
  CHECK(some.code == 0);
  CHECK(some.err == "note: skipped: " + message + "\n");
  CHECK_THAT(kindling_command(trained.command({folder + "/a.webp"})).err,
             Contains(folder + "/a.webp: not a JPEG, PNG or BMP file"));
}

TEST_CASE("classify: control characters in names do not reach the terminal") {
  const Trained trained;
  const std::string folder = trained.folder / "names";
  fs::create_directories(folder);
  fs::copy_file(trained.pictures + "/red/1000.bmp", folder + "/a\x1b[31m\n.bmp");
  std::ofstream(folder + "/b\x1b[31m\n.bmp") << "no picture";
  std::ofstream(trained.folder / "labels") << "b\ng\nr rose\x1b[31m red\n";
  const Outcome outcome = kindling_command(trained.command({folder, "--labels", trained.folder / "labels"}));
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith(folder + "/a\\x1b[31m\\x0a.bmp\n  rose\\x1b[31m red  "));
  CHECK_THAT(outcome.err, Contains("note: skipped: " + folder + "/b\\x1b[31m\\x0a.bmp: not a JPEG"));
}

TEST_CASE("classify: --labels must name every class") {
  const Trained trained;
  const std::string red = trained.pictures + "/red/1000.bmp", labels = trained.folder / "labels";
  std::ofstream(labels) << "b\ng\n";
  const Outcome outcome = kindling_command(trained.command({red, "--labels", labels}));
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("--labels " + labels + ": names 2 classes, the model has 3"));
}

TEST_CASE("classify: --labels that give the model's classes in another order are refused") {
  const Trained trained;
  const std::string red = trained.pictures + "/red/1000.bmp", labels = trained.folder / "labels";
  const auto classify_with = [&](const std::string& lines) {
    std::ofstream(labels) << lines;
    return kindling_command(trained.command({red, "--labels", labels}));
  };
  for (const std::string lines : {"blue\nred\ngreen\n", "b blue\nr red\ng green\n", "sky\nred rose\ngreen grass\n"}) {
    INFO(lines);
    const Outcome outcome = classify_with(lines);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains("--labels " + labels +
                                     ": line 2 names red, which is class 3 of the model: its "
                                     "classes are, in their order, blue, green, red"));
  }
  CHECK_THAT(classify_with("blue sky\ngreen grass\nred rose\n").out, Contains("  rose "));
}

TEST_CASE("classify: files that do not describe themselves need the command line") {
  const Trained trained;
  const std::string weights = trained.folder / "weights.safetensors", red = trained.pictures + "/red/1000.bmp";
  write_weights_alone(trained.checkpoint, weights);
  const Outcome unknown = kindling_command({"classify", red, "--weights", weights});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("names and shapes of its tensors fit several models: say --bypass none or simple, "
                                   "--model squeezenet1_1 or squeezenet_cifar"));

  std::ofstream(trained.folder / "labels") << "b sky\ng grass\nr rose red\n";
  const Outcome explained =
      kindling_command({"classify", red, "--weights", weights, "--model", "squeezenet_cifar", "--norm", "batch",
                        "--classes", "3", "--size", "16", "--labels", trained.folder / "labels", "--json"});
  INFO(explained.err);
  CHECK(explained.code == 0);
  CHECK(explained.json()["results"][0]["top"][0]["label"] == "rose red");
}

TEST_CASE("classify: wrong usage") {
  CHECK_THAT(kindling_command({"classify", "--weights", "x"}).err, Contains("which pictures? Name files or folders"));
  const Outcome weightless = kindling_command({"classify", "x.jpg"});
  CHECK(weightless.code == 2);
  CHECK_THAT(weightless.err, Contains("--weights FILE is needed"));
}

TEST_CASE("classify: the run's --labels may have moved since") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 8);
  const std::string labels = folder / "labels", run = folder / "run";
  std::ofstream(labels) << "green grass\nblue sky\n";
  const Outcome trained = kindling_command({"train", "--data", "folder:" + (folder / "data"), "--model", "lenet",
                                            "--epochs", "1", "--batch-size", "4", "--labels", labels, "--out", run});
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  fs::remove(labels);
  const Outcome outcome =
      kindling_command({"classify", folder / "data/blue/1000.bmp", "--weights", run + "/best.ckpt", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json result = outcome.json();  // which must outlive the loop
  for (const json& answer : result["results"][0]["top"])
    CHECK(answer["label"] == (answer["index"] == 0 ? "grass" : "sky"));
}

TEST_CASE("classify: ends as soon as its answers cannot be written") {
  const Trained trained;
  std::ofstream(trained.pictures + "/red/9999.bmp") << "no picture";  // the last, which is never come to
  const std::vector<std::string> arguments = trained.command({trained.pictures, "--batch-size", "1"});
  std::vector<std::string> script{"-c", "exec \"$0\" \"$@\" > /dev/full", KINDLING_COMMAND};
  const Outcome outcome = kindling_command(with(script, arguments), {.program = "/bin/sh"});
  CHECK(outcome.code == 1);
  CHECK(outcome.err == "kindling classify: standard output cannot be written: No space left on device\n");
}
