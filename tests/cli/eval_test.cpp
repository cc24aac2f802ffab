// kindling eval: which images are measured, and what is said of the classes.
#include <catch2/catch.hpp>

#include <filesystem>

#include <kindling/io/atomic_file.h>

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

std::vector<std::string> eval(const std::string& weights, const std::string& data,
                              const std::vector<std::string>& more = {}) {
  return with({"eval", "--weights", weights, "--data", "folder:" + data}, more);
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
             Contains("class \\ taken for  0  1  2\n") && Contains("2 red              7  0  0\n"));
  CHECK_FALSE(
      kindling_command(eval(folder / "run/best.ckpt", folder / "other", {"--json"})).json().contains("confusion"));
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
