// kindling eval: which images are measured, and what is said of the classes.
#include <catch2/catch.hpp>

#include <filesystem>

#include <kindling/io/atomic_file.h>
#include <kindling/kindling.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

std::vector<std::string> small_run(const std::string& data, const std::string& run,
                                   const std::vector<std::string>& more = {}) {
  return with({"train", "--data", "folder:" + data, "--model", "lenet", "--out", run, "--batch-size", "8", "--epochs",
               "2", "--threads", "1"},
              more);
}

std::vector<std::string> eval(const std::string& weights, const std::string& data,
                              const std::vector<std::string>& more = {}) {
  return with({"eval", "--weights", weights, "--data", "folder:" + data}, more);
}

/// A flat folder, and a checkpoint that was trained on it, alone beside its run.
struct Measured {
  TemporaryFolder folder;
  std::string data = folder / "data", run = folder / "run", checkpoint = folder / "alone.ckpt";

  explicit Measured(const std::vector<std::string>& more = {}) {
    write_images(data, {"blue", "green", "red"}, 20);
    train(more);
  }
  void train(const std::vector<std::string>& more) {
    const Outcome outcome = kindling_command(small_run(data, run, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    fs::copy_file(run + "/last.ckpt", checkpoint);
  }
  /// `options` behind --weights with the checkpoint that lies alone.
  Outcome eval(const std::vector<std::string>& options) const {
    return kindling_command(with({"eval", "--weights", checkpoint}, options));
  }
  Outcome eval_on(const std::string& path, const std::vector<std::string>& more = {}) const {
    return eval(with({"--data", "folder:" + path, "--json"}, more));
  }
};

void check_measured(const Outcome& outcome, int64_t images, const std::string& part) {
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["images"] == images);
  CHECK(outcome.json()["measured"] == part);
}

const std::string kHeldOut = "what training held out";

/// Pictures that a program has made itself.
data::DatasetPtr own_pictures() {
  return std::make_shared<data::TensorDataset>(Tensor::zeros({15, 32, 32, 3}, DType::u8),
                                               Tensor::zeros({15}, DType::i64));
}

std::vector<std::string> numbered_classes(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("class" + std::to_string(100 + i));
  return names;
}

}  // namespace

TEST_CASE("eval: accuracy of each class and the confusion matrix, which add up") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run", {"--epochs=3", "--lr=0.02"})).code == 0);
  write_images(folder / "other", {"blue", "green"}, 4);
  write_images(folder / "other", {"red"}, 7);  // the first class of a call has its colour: these are blue
  const json result =
      kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--confusion", "--json"})).json();
  CHECK(result["images"] == 15);
  CHECK(result["top5"].is_null());  // of three classes
  REQUIRE(result["classes"].size() == 3);
  REQUIRE(result["confusion"].size() == 3);
  const std::vector<std::string> names{"blue", "green", "red"};
  const std::vector<int> images{4, 4, 7};
  int64_t hits = 0;
  for (size_t i = 0; i < 3; ++i) {
    const json& entry = result["classes"][i];
    const auto row = result["confusion"][i].get<std::vector<int64_t>>();
    CHECK(entry["name"] == names[i]);
    CHECK(entry["images"] == images[i]);
    CHECK(row[0] + row[1] + row[2] == images[i]);
    CHECK(entry["top1"].get<double>() == 100.0 * static_cast<double>(row[i]) / images[i]);
    hits += row[i];
  }
  CHECK(result["top1"].get<double>() == 100.0 * static_cast<double>(hits) / 15);
  CHECK(result["confusion"][2] == json{7, 0, 0});  // red folder, blue pictures

  const Outcome text = kindling_command(eval(folder / "run/best.ckpt", folder / "other"));
  CHECK_THAT(text.out, Contains("15 images of folder:" + (folder / "other") + " (all images): top-1 ") &&
                           Contains("class  images  ") && Contains("red         7    0.00 %") && !Contains("top-5") &&
                           !Contains("taken for"));
  CHECK_THAT(kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--confusion"})).out,
             Contains("\nimages of a class (row) that were taken for a class (column)\n       blue  green  red\n") &&
                 Contains("\nred       7      0    0\n"));
  CHECK_FALSE(
      kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--json"})).json().contains("confusion"));
}

TEST_CASE("eval: a confusion matrix whose names are too wide for a line has numbers, which its rows explain") {
  const TemporaryFolder folder;
  write_images(folder / "data", numbered_classes(12), 3);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run", {"--epochs=1"})).code == 0);
  write_images(folder / "other", numbered_classes(12), 2);
  CHECK_THAT(
      kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--confusion"})).out,
      Contains("taken for a class (column, by its number)\n             0  1  2  3  4") && Contains("\n11 class111  "));
}

TEST_CASE("eval: of many classes the lowest and the most frequent mistakes are shown, and --json has all") {
  const TemporaryFolder folder;
  write_images(folder / "data", numbered_classes(40), 3);
  const Outcome trained =
      kindling_command(small_run(folder / "data", folder / "run", {"--epochs=1", "--val-share=0.4", "--lr=0.001"}));
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.out, Contains(", top-5 "));  // of more than five classes
  write_images(folder / "other", numbered_classes(40), 4);
  const Outcome text = kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--confusion"}));
  CHECK_THAT(text.out, Contains("the 20 lowest of 40 classes; --json gives all") && Contains("of the class\n") &&
                           Contains(", top-5 "));
  CHECK(std::count(text.out.begin(), text.out.end(), '\n') < 60);
  const json result =
      kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--confusion", "--json"})).json();
  CHECK(result["classes"].size() == 40);
  CHECK(result["confusion"].size() == 40);
  CHECK(result["confusion"][39].size() == 40);
  CHECK(result["top5"].is_number());
}

TEST_CASE("eval: of a flat folder the fifth that training held out, wherever folder and checkpoint lie") {
  const Measured measured;
  check_measured(kindling_command({"eval", "--weights", measured.run + "/last.ckpt", "--json"}), 12, kHeldOut);
  CHECK_THAT(measured.eval_on(measured.data).err, !Contains("note"));
  const Outcome homeless = measured.eval({});
  CHECK(homeless.code == 2);
  CHECK_THAT(homeless.err, Contains("--data SPEC is needed: " + measured.checkpoint + " was trained on folder:PATH"));

  const json lines = json_lines(measured.run + "/metrics.jsonl").back();
  const json here = measured.eval_on(measured.data).json();
  CHECK(here["top1"] == lines["val_top1"]);
  CHECK_THAT(here["loss"].get<double>(), Catch::WithinRel(lines["val_loss"].get<double>(), 1e-5));  // float sums

  const std::string moved = measured.folder / "moved";
  fs::rename(measured.data, moved);
  const Outcome gone = kindling_command({"eval", "--weights", measured.run + "/last.ckpt"});
  CHECK(gone.code == 1);
  CHECK_THAT(gone.err,
             Contains(measured.data + ": there is no such folder; if it has moved, say where it is by --data"));
  const Outcome there = measured.eval_on(moved + "/");
  check_measured(there, 12, kHeldOut);
  CHECK(there.json()["classes"] == here["classes"]);
  CHECK(there.json()["loss"] == here["loss"]);
}

TEST_CASE("eval: of a folder that is not as training had it, what is measured and why") {
  const Measured measured;
  const std::string changed = measured.folder / "changed";
  const auto check_note = [&](const std::string& difference, int64_t images) {
    const Outcome outcome = measured.eval_on(changed);
    check_measured(outcome, images, "all images");
    CHECK_THAT(outcome.err, Contains("note: " + changed + " is not the folder of the training as it was then: " +
                                     difference + "; measured: all images\n"));
  };
  fs::copy(measured.data, changed, fs::copy_options::recursive);
  fs::copy_file(changed + "/red/1000.bmp", changed + "/red/2000.bmp");
  check_note("red/ has 21 images, training had 20", 61);
  fs::remove(changed + "/red/2000.bmp");
  fs::remove(changed + "/blue/1000.bmp");
  check_note("blue/ has 19 images, training had 20", 59);
  fs::copy_file(measured.data + "/blue/1001.bmp", changed + "/blue/1000.bmp");
  CHECK(measured.eval_on(changed).json()["images"] == 12);  // other pixels in as many bytes
  write_file(changed + "/blue/1000.bmp", contents(changed + "/blue/1001.bmp") + "more");
  check_note("images in blue/ have other names or sizes than in training", 60);
  fs::remove_all(changed + "/blue");
  check_note("there is no blue/, which training had", 40);  // numbered as in training

  const json classes = measured.eval_on(changed).json()["classes"];
  REQUIRE(classes.size() == 3);
  CHECK(classes[0]["images"] == 0);
  CHECK(classes[2]["name"] == "red");

  write_images(changed, {"yellow"}, 4);
  const Outcome unknown = measured.eval_on(changed);
  CHECK(unknown.code == 1);
  CHECK_THAT(unknown.err, Contains("are not those of the run (green red yellow here, blue green red there)"));
}

TEST_CASE("eval: of a folder in parts val/, or what was held out of train/, or test/") {
  const TemporaryFolder folder;
  const std::string data = folder / "data", run = folder / "run";
  const std::vector<std::string> command{"eval", "--weights", run + "/best.ckpt", "--json"};
  write_images(data + "/train", {"blue", "green"}, 20);
  write_images(data + "/val", {"blue", "green"}, 3);
  write_images(data + "/test", {"blue", "green"}, 2);
  REQUIRE(kindling_command(small_run(data, run)).code == 0);
  check_measured(kindling_command(command), 6, "val/, which training held out");
  fs::remove(data + "/val/blue/1000.bmp");
  const Outcome changed = kindling_command(command);
  check_measured(changed, 5, "val/");
  CHECK_THAT(changed.err, Contains("val/blue/ has 2 images, training had 3; measured: val/"));

  fs::remove_all(data + "/val");
  fs::remove_all(run);
  REQUIRE(kindling_command(small_run(data, run, {"--val-share", "0.25"})).code == 0);
  check_measured(kindling_command(command), 10, kHeldOut);
  fs::remove_all(run);
  REQUIRE(kindling_command(small_run(data, run, {"--val-share", "0"})).code == 0);
  check_measured(kindling_command(command), 4, "test/; training held nothing out of train/");
}

TEST_CASE("eval: --val-share 0 leaves all images of a flat folder, which is said") {
  const Measured measured({"--val-share", "0"});
  check_measured(measured.eval_on(measured.data), 60,
                 "all images, which are those that it was trained on: training held nothing out");
}

TEST_CASE("eval: a checkpoint of a C++ program needs --data, and of its folder what was held out is measured") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const auto [train, val, test] = data::folder(folder / "data", {.size = 32, .val_share = 0.25, .seed = 3});
  Rng rng(1);
  Sequential net = lenet({.classes = 3, .channels = 3, .size = 32}, rng);
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.01}), {.batch_size = 15});
  const auto train_into = [&](const std::string& run, const data::DatasetPtr& pictures) {
    trainer.fit(pictures, val, {.epochs = 1, .run = run, .curves = false});
    return run + "/best.ckpt";
  };
  const std::string checkpoint = train_into(folder / "run", train);
  const std::string needs = checkpoint + " was trained on folder:PATH and lies in no run folder that says where";
  const Outcome nameless = kindling_command({"eval", "--weights", checkpoint});
  CHECK(nameless.code == 2);
  CHECK_THAT(nameless.err, Contains("--data SPEC is needed: " + needs));
  check_measured(kindling_command(eval(checkpoint, folder / "data", {"--json"})), 15, kHeldOut);

  const std::string other = train_into(folder / "other", own_pictures());
  const Outcome unknown = kindling_command({"eval", "--weights", other});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err,
             Contains("--data SPEC is needed, as --data folder:PATH: " + other + " does not say what it was trained"));
}

TEST_CASE("eval: options that the checkpoint has settled are refused where they say otherwise") {
  const Measured measured({"--seed", "5", "--val-share", "0.25"});
  check_measured(measured.eval_on(measured.data), 15, kHeldOut);
  check_measured(measured.eval_on(measured.data, {"--seed", "5", "--val-share", "0.25"}), 15, kHeldOut);
  for (const Strings& option : {Strings{"--seed", "6"}, Strings{"--val-share", "0.5"}}) {
    const Outcome refused = measured.eval_on(measured.data, option);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains(option[0] + " has no effect on the folder that " + measured.checkpoint +
                                     " was trained on: it says what training held out"));
  }
  write_file(measured.folder / "same", "blue\ngreen\nred\n");
  check_measured(measured.eval_on(measured.data, {"--labels", measured.folder / "same"}), 15, kHeldOut);
  write_file(measured.folder / "other", "red\nblue\ngreen\n");
  const Outcome refused = measured.eval_on(measured.data, {"--labels", measured.folder / "other"});
  CHECK(refused.code == 1);
  CHECK_THAT(refused.err, Contains((measured.folder / "other") + " names other classes than training had") &&
                              Contains("are not those of the run (red blue green here, blue green red there)"));
}

TEST_CASE("eval: classes that --labels ordered in training keep their order without the file") {
  Measured measured;
  fs::remove_all(measured.run);
  fs::remove(measured.checkpoint);
  write_file(measured.folder / "labels", "red\nblue the sky\ngreen\n");
  measured.train({"--labels", measured.folder / "labels"});
  fs::remove(measured.folder / "labels");
  write_images(measured.folder / "other", {"blue", "green"}, 4);
  for (const std::string& path : {measured.data, measured.folder / "other"}) {
    const Outcome outcome = measured.eval_on(path);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.json()["classes"][0]["name"] == "red");
    CHECK(outcome.json()["classes"][1]["name"] == "the sky");
  }
  CHECK(measured.eval_on(measured.folder / "other").json()["classes"][0]["images"] == 0);
  check_measured(kindling_command({"eval", "--weights", measured.run + "/best.ckpt", "--json"}), 12, kHeldOut);
}

TEST_CASE("bench: takes the model from the file of weights") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run", {"--epochs=1", "--size=20"})).code == 0);
  const json trained = json::parse(contents(folder / "run/config.json"));
  for (const std::string what : {"train", "infer"}) {
    const json report = kindling_command({"bench", what, "--weights", folder / "run/best.ckpt", "--batch-size", "2",
                                          "--steps", "1", "--json"})
                            .json();
    CHECK(report["model"] == trained["model"]);
    CHECK(report["size"] == 20);
  }
}
