// Fine-tuning: a new head, frozen layers, the comparison with training from scratch, mistakes.
#include <catch2/catch.hpp>

#include <filesystem>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

using Strings = std::vector<std::string>;

/// LeNet trained on three classes, and a folder of four.
struct Problem {
  TemporaryFolder folder;
  std::string data = folder / "data", weights = folder / "base/last.ckpt";

  Problem() {
    write_images(folder / "base_data", {"blue", "green", "red"}, 8);
    const Outcome base =
        kindling_command({"train", "--data", "folder:" + (folder / "base_data"), "--model", "lenet", "--epochs", "1",
                          "--batch-size", "8", "--threads", "1", "--out", folder / "base"});
    INFO(base.err);
    REQUIRE(base.code == 0);
    write_images(data, {"blue", "green", "red", "yellow"}, 10);
  }
  Strings finetune(const std::string& run, const Strings& more = {}) const {
    return with({"train", "--preset", "finetune", "--weights", weights, "--data", "folder:" + data, "--epochs", "2",
                 "--batch-size", "8", "--threads", "1", "--out", folder / run},
                more);
  }
};

Tensor weight(const std::string& checkpoint, const std::string& name) { return SafetensorsFile(checkpoint).read(name); }

}  // namespace

TEST_CASE("finetune: the last layer is new, and files name the mistakes") {
  const Problem problem;
  const Outcome outcome = kindling_command(problem.finetune("run", {"--json", "--lr", "0", "--baseline"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("fc2 is new, for 4 classes"));
  const json result = outcome.json();
  REQUIRE(result["confusion"].size() == 4);
  int64_t wrong = 0;
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 4; ++j) wrong += i == j ? 0 : result["confusion"][i][j].get<int64_t>();
  CHECK(wrong > 0);  // it has learned nothing
  REQUIRE(static_cast<int64_t>(result["mistakes"].size()) == std::min<int64_t>(wrong, 10));
  double before = 1;
  for (const json& mistake : result["mistakes"]) {
    CHECK(std::filesystem::exists(mistake["file"].get<std::string>()));
    CHECK_THAT(mistake["file"].get<std::string>(), Contains("/" + mistake["class"].get<std::string>() + "/"));
    CHECK(mistake["class"] != mistake["taken_for"]);
    CHECK(mistake["probability"].get<double>() <= before);
    before = mistake["probability"].get<double>();
  }
  CHECK(result["baseline"]["epochs"].get<int64_t>() >= 1);
  CHECK(result["baseline"]["top1"].is_number());
  CHECK(result["baseline"]["seconds"].get<double>() > 0);
  CHECK(
      bitwise_equal(weight(problem.folder / "run/last.ckpt", "conv1/weight"), weight(problem.weights, "conv1/weight")));
  CHECK(read_description(problem.folder / "run/last.ckpt").classes == Strings{"blue", "green", "red", "yellow"});

  const Outcome text = kindling_command(problem.finetune("text", {"--lr", "0"}));
  CHECK_THAT(text.out, Contains("taken for a class (column)") && Contains("the most certain mistakes") &&
                           Contains(problem.data + "/"));
  const Outcome again = kindling_command(
      {"eval", "--weights", problem.folder / "text/last.ckpt", "--mistakes", "2", "--json", "--threads", "1"});
  REQUIRE(again.code == 0);
  REQUIRE(again.json()["mistakes"].size() == 2);
  CHECK_THAT(text.out, Contains(again.json()["mistakes"][0]["file"].get<std::string>()));
}

TEST_CASE("finetune: few pictures are seen more often") {
  const Problem problem;
  Strings words = problem.finetune("run", {"--json"});
  words.erase(std::find(words.begin(), words.end(), "--epochs"), std::find(words.begin(), words.end(), "--batch-size"));
  const Outcome outcome = kindling_command(words);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["epochs"] == 30);
}

TEST_CASE("finetune: a last layer for the same classes is kept") {
  const Problem problem;
  const Strings same{"--data", "folder:" + (problem.folder / "base_data"), "--lr", "0"};
  const Outcome outcome = kindling_command(problem.finetune("run", same));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("fc2 is that of " + problem.weights));
  CHECK(bitwise_equal(weight(problem.folder / "run/last.ckpt", "fc2/weight"), weight(problem.weights, "fc2/weight")));
  write_images(problem.folder / "others", {"one", "three", "two"}, 8);
  const Outcome others = kindling_command(
      problem.finetune("others_run", {"--data", "folder:" + (problem.folder / "others"), "--lr", "0"}));
  CHECK_THAT(others.err, Contains("fc2 is new, for 3 classes"));
  CHECK_FALSE(bitwise_equal(weight(problem.folder / "others_run/last.ckpt", "fc2/weight"),
                            weight(problem.weights, "fc2/weight")));
}

TEST_CASE("finetune: frozen layers stay as they were, run once without augmentation, and are frozen on resuming") {
  const Problem problem;
  const std::string run = problem.folder / "run";
  const Outcome outcome =
      kindling_command(problem.finetune("run", {"--freeze", "^(conv|fc1)", "--augment", "none", "--lr", "0.05"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("of them frozen") && Contains("the frozen layers have run once on each of 40"));
  for (const char* name : {"conv1/weight", "conv2/bias", "fc1/weight"})
    CHECK(bitwise_equal(weight(run + "/last.ckpt", name), weight(problem.weights, name)));
  const Tensor head = weight(run + "/last.ckpt", "fc2/weight");
  const Outcome resumed = kindling_command({"train", "--resume", run, "--epochs", "3", "--threads", "1"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK(bitwise_equal(weight(run + "/last.ckpt", "fc1/weight"), weight(problem.weights, "fc1/weight")));
  CHECK_FALSE(bitwise_equal(weight(run + "/last.ckpt", "fc2/weight"), head));
  CHECK_THAT(kindling_command(problem.finetune("moved", {"--freeze", "^conv", "--augment", "flip"})).err,
             !Contains("have run once"));
}

TEST_CASE("finetune: what is wrong is said before anything begins") {
  const Problem problem;
  const auto check = [&](const Strings& arguments, int code, const std::string& message) {
    const Outcome outcome = kindling_command(arguments);
    CHECK(outcome.code == code);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK_FALSE(std::filesystem::exists(problem.folder / "run"));
  };
  check({"train", "--preset", "finetune", "--out", problem.folder / "run"}, 2,
        "--preset finetune needs --weights FILE");
  check({"train", "--baseline", "--out", problem.folder / "run"}, 2, "--baseline has no effect without --preset");
  check(problem.finetune("run", {"--freeze", "conv9"}), 2,
        "matches no parameter; they are the weights and biases of "
        "conv1, conv2, fc1, fc2");
  check(problem.finetune("run", {"--freeze", "["}), 2, "\"[\" is no regular expression");
  check(problem.finetune("run", {"--freeze", "."}), 2, "nothing would learn");
  check({"train", "--weights", problem.weights, "--data", "folder:" + problem.data, "--out", problem.folder / "run"}, 1,
        "--preset finetune makes a new last layer");
}
