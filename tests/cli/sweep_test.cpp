// The paper's experiments, as plans and as a command.
#include <catch2/catch.hpp>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include <kindling/cli/sweep/experiments.h>
#include <kindling/cli/sweep/report.h>
#include <kindling/io/atomic_file.h>

#include "command.h"

using namespace kindling;
using namespace kindling::cli;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinAbs;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Strings = std::vector<std::string>;

/// Six short trainings.
Strings small_sweep(const std::string& data, const std::string& out) {
  return {"sweep", "--experiment", "table3", "--data", "folder:" + data, "--seeds", "2", "--epochs", "2", "--out", out};
}

/// The files that a repeated sweep writes again.
const Strings kSameAgain{"table.md", "points.csv", "claims.md", "commands.md", "runs.csv"};

/// Points of three seeds with these mean accuracies. Differences of two neighbours have the
/// standard error `error`, of which the margin is 2.92 times as much.
std::vector<PointResult> points_with(const Plan& plan, const std::vector<double>& top1, double error) {
  std::vector<PointResult> results;
  for (size_t i = 0; i < plan.points.size(); ++i) {
    std::vector<double> seeds;
    for (size_t seed = 0; seed < 3; ++seed)
      seeds.push_back(top1[i] + error * (static_cast<double>((i % 2 + seed) % 3) - 1));
    results.push_back({.point = &plan.points[i],
                       .parameters = 1000 * static_cast<int64_t>(i + 1),
                       .macs = 1000,
                       .bytes = {4000.0 * static_cast<double>(i + 1)},
                       .top1 = mean_of(seeds),
                       .top1_of_seeds = seeds});
  }
  return results;
}

const Scale kScale{.data = "shapes", .classes = 10, .epochs = 2, .retraining = 1, .seeds = {3, 4}};

std::vector<Verdict> verdicts(const std::vector<Claim>& claims) {
  std::vector<Verdict> all;
  for (const Claim& claim : claims) all.push_back(claim.verdict);
  return all;
}

}  // namespace

TEST_CASE("a mean over seeds has the standard error of the mean") {
  const Mean mean = mean_of({70, 72, 77});
  CHECK_THAT(mean.value, WithinAbs(73, 1e-12));
  CHECK_THAT(*mean.error, WithinAbs(std::sqrt(13.0 / 3), 1e-12));  // the sample's variance is (9 + 1 + 16) / 2
  CHECK_FALSE(mean_of({70}).error);
  CHECK_THAT(mean.margin, WithinAbs(2.920 * std::sqrt(13.0 / 3), 1e-9));  // t with 2 degrees of freedom
  CHECK_THAT(mean_of({1, 2}).margin, WithinAbs(6.314 * 0.5, 1e-9));
  std::vector<double> many(21);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<double>(i);
  CHECK_THAT(mean_of(many).margin / *mean_of(many).error, WithinAbs(1.725, 1e-3));  // with 20
}

TEST_CASE("differences are of runs with the same seed") {
  const auto point = [](const std::vector<double>& top1) {
    return PointResult{.top1 = mean_of(top1), .top1_of_seeds = top1};
  };
  const Mean change = gain(point({70, 75, 80}), point({71, 76.5, 80.5}));
  CHECK_THAT(change.value, WithinAbs(1, 1e-12));
  CHECK_THAT(*change.error, WithinAbs(std::sqrt(0.25 / 3), 1e-12));
  CHECK_FALSE(gain(point({70}), point({71})).error);
}

TEST_CASE("a verdict is about an interval") {
  using enum Verdict;
  const auto around = [](double value, double margin) { return Mean{value, margin / 2, margin}; };
  CHECK(rises(around(1, 0.5)) == holds);
  CHECK(rises(around(1, 1.5)) == not_clear);
  CHECK(rises(around(0, 0)) == not_clear);
  CHECK(rises(around(-1, 0.5)) == does_not);
  CHECK(falls_by_at_most(1, around(-0.5, 0.4)) == holds);
  CHECK(falls_by_at_most(1, around(-0.5, 0.6)) == not_clear);
  CHECK(falls_by_at_most(1, around(-1.5, 0.4)) == does_not);
  CHECK(falls_by_at_most(1, around(5, 1)) == holds);
  CHECK(stays(around(0.5, 0.4)) == holds);
  CHECK(stays(around(0.5, 0.6)) == not_clear);
  CHECK(stays(around(-1.5, 0.4)) == does_not);
  for (const Verdict verdict : {rises({1}), falls_by_at_most(1, {1}), stays({0})}) CHECK(verdict == not_clear);
  CHECK(both(holds, holds) == holds);
  CHECK(both(holds, does_not) == in_part);
  CHECK(both(holds, not_clear) == not_clear);
  CHECK(both(does_not, not_clear) == does_not);
}

TEST_CASE("each experiment trains each of its networks with each seed") {
  for (const Experiment& experiment : experiments()) {
    INFO(experiment.name);
    const Plan plan = experiment.plan(kScale);
    CHECK(plan.points.size() ==
          std::map<std::string, size_t>{
              {"table2", 12}, {"table3", 3}, {"figure3a", 5}, {"figure3b", 9}, {"strategies", 5}}
              .at(experiment.name));
    for (const Point& point : plan.points) {
      CHECK(point.runs.size() == 2);
      CHECK(point.paper.size() == plan.paper_headings.size());
      CHECK(point.runs[0].ends_with("-3"));
    }
  }
}

TEST_CASE("what the scale says stands in the commands") {
  const auto train = [](const Scale& scale) {
    const Plan plan = plan_figure3a(scale);
    std::string line;
    for (const std::string& word : plan.runs.front().tasks.front().words) line += word + " ";
    return line;
  };
  Scale scale = kScale;
  CHECK_THAT(train(scale), Contains("--data shapes ") && Contains("--base-e 64 --incr-e 64 ") &&
                               Contains("--epochs 2 ") && Contains("--seed 3 "));
  CHECK_THAT(train(scale), !Contains("--train-images") && !Contains("--val-share"));
  scale.full = scale.has_test = true;
  scale.train_images = 500;
  CHECK_THAT(train(scale),
             Contains("--base-e 128 --incr-e 128 ") && Contains("--train-images 500 ") && Contains("--val-share 0 "));
  CHECK(plan_table2(scale).points.size() == 12);
  scale.released = "authors.net";
  const Plan with_released = plan_table2(scale);
  REQUIRE(with_released.points.size() == 17);
  CHECK(with_released.points.back().ratio_to == with_released.points[12].name);
}

TEST_CASE("a curve that rises and then stays is what the paper says, and a difference within the noise is not") {
  const Plan plan = plan_figure3a(kScale);
  using enum Verdict;
  const auto of = [&](const std::vector<double>& top1, double error) {
    return verdicts(claims_of_figure3a(points_with(plan, top1, error)));
  };
  CHECK(of({60, 63, 66, 68, 68.2}, 0.2) == std::vector{holds, holds});
  CHECK(of({60, 60, 60, 60.5, 60.4}, 0.5) == std::vector{not_clear, not_clear});
  CHECK(of({60, 59, 58, 57, 57}, 0.2) == std::vector{does_not, holds});
  CHECK(of({60, 63, 66, 68, 71}, 0.2) == std::vector{holds, in_part});   // goes on, but less steeply
  CHECK(of({60, 63, 66, 68, 48}, 0.2) == std::vector{holds, does_not});  // falls
  CHECK(of({60, 63, 66, 68, 75}, 0.2) == std::vector{holds, does_not});  // rises as before
}

TEST_CASE("bypasses: what is clear holds") {
  const Plan plan = plan_table3(kScale);
  using enum Verdict;
  std::vector<PointResult> points = points_with(plan, {69.4, 71.8, 75.7}, 0.3);
  CHECK(claims_of_table3(points)[0].verdict == does_not);  // it has more parameters here
  points[1].parameters = points[0].parameters;
  CHECK(verdicts(claims_of_table3(points)) == std::vector{holds, holds, does_not});
  CHECK(claims_of_table3(points)[0].evidence == "+2.40 ± 0.88 points of top-1");
}

TEST_CASE("AlexNet and what is smaller: both size and accuracy count") {
  const Plan plan = plan_table2(kScale);
  using enum Verdict;
  std::vector<PointResult> points = points_with(plan, std::vector<double>(12, 70.0), 0.2);
  const std::vector<double> times{1, 1, 1, 5, 9, 35, 50, 50, 50, 363, 510, 600};
  for (size_t i = 0; i < points.size(); ++i) points[i].bytes = {1e8 / times[i]};
  CHECK(verdicts(claims_of_table2(points)) == std::vector<Verdict>(9, holds));
  PointResult &longer = points[1], &longest = points[2], &deep6 = points[10];
  for (double& top1 : deep6.top1_of_seeds) top1 -= 1.8;  // 6 bits: clearly worse, but by less than two points
  CHECK(verdicts(claims_of_table2(points)) ==
        std::vector{holds, holds, in_part, holds, holds, in_part, holds, holds, holds});
  deep6.bytes = {1e8 / 299};
  CHECK(claims_of_table2(points)[2].verdict == does_not);
  CHECK(claims_of_table2(points)[3].verdict == in_part);
  // An AlexNet trained as long is better: then what is compressed has lost something.
  for (double& top1 : longer.top1_of_seeds) top1 += 3;
  CHECK(verdicts(claims_of_table2(points)) ==
        std::vector{holds, holds, does_not, in_part, holds, does_not, in_part, in_part, holds});
  for (double& top1 : longest.top1_of_seeds) top1 += 3;
  CHECK(verdicts(claims_of_table2(points)) ==
        std::vector{holds, in_part, does_not, in_part, holds, does_not, in_part, in_part, in_part});
}

TEST_CASE("tables are the same whatever --jobs, and after kill -9 ten times") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 60, 32);
  const Outcome whole =
      kindling_command(with(small_sweep(folder / "data", folder / "whole"), {"--jobs", "1", "--json"}));
  INFO(whole.err);
  REQUIRE(whole.code == 0);
  const json points = whole.json()["points"];
  REQUIRE(points.size() == 3);
  for (const char* key : {"name", "parameters", "bytes", "top1", "top5", "top1_standard_error"})
    CHECK(points[0].contains(key));
  CHECK(points[0]["parameters"] == points[1]["parameters"]);

  std::mt19937 random(1);
  Strings command = with(small_sweep(folder / "data", folder / "killed"), {"--jobs", "2"});
  for (int i = 0; i < 10; ++i) {
    Command killed(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 500));
    killed.signal(SIGKILL);
    killed.wait();
    if (fs::exists(folder / "killed/config.json"))
      command = {"sweep", "--resume", folder / "killed", "--jobs", i % 2 == 0 ? "3" : "2"};
  }
  const Outcome resumed = kindling_command(command);  // no child has outlived its parent: the run folders are free
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  for (const std::string& file : kSameAgain) {
    INFO(file);
    CHECK(contents(folder / ("killed/" + file)) == contents(folder / ("whole/" + file)));
  }
  for (const char* file : {"plot.svg", "plot.png", "times.md", "times.csv"})
    CHECK_FALSE(contents(folder / ("whole/" + std::string(file))).empty());
}

TEST_CASE("a sweep measures on test/ of a folder that has train/, val/ and test/") {
  const TemporaryFolder folder;
  for (const char* part : {"train", "val", "test"})
    write_images(folder / (std::string("data/") + part), {"blue", "green"}, part == std::string("train") ? 40 : 7, 32);
  const Outcome outcome = kindling_command({"sweep", "--experiment", "table3", "--data", "folder:" + (folder / "data"),
                                            "--seeds", "1", "--epochs", "1", "--json", "--out", folder / "sweep"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json train = json::parse(contents(folder / "sweep/none-0/train.json"))["result"];
  CHECK(outcome.json()["points"][0]["top1"] == train["test_top1"]);
  CHECK_FALSE(train["test_top1"].is_null());
}

TEST_CASE("a training in the folder of a sweep that began otherwise is refused") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 40, 32);
  const std::string data = "folder:" + (folder / "data");
  fs::create_directories(folder / "sweep");
  REQUIRE(kindling_command(
              {"train", "--preset", "cifar", "--data", data, "--epochs", "1", "--out", folder / "sweep/none-0"})
              .code == 0);
  const Outcome outcome = kindling_command({"sweep", "--experiment", "table3", "--data", data, "--seeds", "1",
                                            "--epochs", "1", "--jobs", "1", "--out", folder / "sweep"});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("this training began by another command"));
}

TEST_CASE("Ctrl-C stops the trainings of a sweep, which then goes on") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 60, 32);
  Strings command = small_sweep(folder / "data", folder / "sweep");
  command[8] = "200";  // epochs
  Command stopped(command);
  REQUIRE(stopped.wait_until([&] { return fs::exists(folder / "sweep/none-0/last.ckpt"); }));
  stopped.signal(SIGINT);
  const Outcome outcome = stopped.wait();
  CHECK(outcome.code == 130);
  CHECK_THAT(outcome.err, Contains("go on with: kindling sweep --resume " + (folder / "sweep")));
  CHECK_FALSE(fs::exists(folder / "sweep/none-0/train.json"));
  CHECK_FALSE(fs::exists(folder / "sweep/table.md"));

  Command again({"sweep", "--resume", folder / "sweep"});
  const auto lines = [&] { return json_lines(folder / "sweep/none-0/metrics.jsonl").size(); };
  const size_t before = lines();
  CHECK(again.wait_until([&] { return lines() > before; }));
}

TEST_CASE("what a sweep refuses") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 40, 32);
  const std::string data = "folder:" + (folder / "data");
  const auto fails = [](const Strings& words, int code, const std::string& message) {
    const Outcome outcome = kindling_command(words);
    INFO(outcome.err);
    CHECK(outcome.code == code);
    CHECK_THAT(outcome.err, Contains(message));
  };
  fails({"sweep"}, 2, "--experiment NAME is needed");
  fails({"sweep", "--experiment", "table4"}, 2, "table4");
  fails({"sweep", "--resume", folder / "data"}, 1, "holds no sweep");
  fails({"sweep", "--experiment", "table3", "--data", "folder:" + (folder / "none")}, 1, "none");

  const Strings begin{"sweep", "--experiment", "table3",        "--data", data, "--seeds", "1", "--epochs",
                      "1",     "--out",        folder / "sweep"};
  REQUIRE(kindling_command(begin).code == 0);
  fails(begin, 1, "holds a sweep or a run already");
  fails({"sweep", "--resume", folder / "sweep", "--epochs", "2"}, 2, "--epochs cannot be changed");

  json config = json::parse(contents(folder / "sweep/config.json"));
  config["epochs"] = 2;
  write_file(folder / "sweep/config.json", config.dump());
  fails({"sweep", "--resume", folder / "sweep"}, 1, "is the result of another command");
  config["epochs"] = 1;
  write_file(folder / "sweep/config.json", config.dump());
  write_file(folder / "sweep/none-0/train.json", "{\"command\": \"kind");
  fails({"sweep", "--resume", folder / "sweep"}, 1, "none-0/train.json: is damaged");
}

TEST_CASE("a run of a sweep that fails does not stop the others, and is tried again") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 40, 32);
  fs::create_directories(folder / "sweep/simple-0/fp32.safetensors/x");  // no file can be written in its place
  const Outcome outcome = kindling_command({"sweep", "--experiment", "table3", "--data", "folder:" + (folder / "data"),
                                            "--seeds", "1", "--epochs", "1", "--jobs", "1", "--out", folder / "sweep"});
  INFO(outcome.err);
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("simple-0") && Contains("tries again what has failed"));
  CHECK(fs::exists(folder / "sweep/complex-0/train.json"));
  CHECK_FALSE(fs::exists(folder / "sweep/table.md"));
  fs::remove_all(folder / "sweep/simple-0/fp32.safetensors");
  CHECK(kindling_command({"sweep", "--resume", folder / "sweep"}).code == 0);
}

TEST_CASE("a sweep tells which command has failed, and what it said") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 8, 32);
  const Outcome outcome = kindling_command({"sweep", "--experiment", "table3", "--data", "folder:" + (folder / "data"),
                                            "--train-images", "1000", "--out", folder / "sweep"});
  INFO(outcome.err);
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("kindling train --preset cifar") && Contains("ended with exit code") &&
                              Contains("train.log has everything that it said"));
}
