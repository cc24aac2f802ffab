// Ctrl-C, kill -9, and going on afterwards.
#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>

#include <kindling/io/atomic_file.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using nlohmann::json;

namespace {

/// Long enough to be stopped in the middle: `epochs` of 8 updates each, with a checkpoint after
/// every third.
std::vector<std::string> long_run(const std::string& data, const std::string& run, const std::string& epochs) {
  return {"train",     "--data",       "folder:" + data,
          "--model",   "lenet",        "--out",
          run,         "--batch-size", "6",
          "--epochs",  epochs,         "--checkpoint-every",
          "3",         "--log-every",  "1",
          "--augment", "flip",         "--lr",
          "0.01"};
}

/// metrics.jsonl without what depends on the clock.
std::vector<json> timeless(const std::string& run) {
  std::vector<json> lines = json_lines(run + "/metrics.jsonl");
  for (json& line : lines) line.erase("images_per_second");
  return lines;
}

bool has_lines(const std::string& run, int64_t count) {
  const std::string text = contents(run + "/metrics.jsonl");
  return std::count(text.begin(), text.end(), '\n') >= count;
}

}  // namespace

TEST_CASE("kill -9 in the middle of an epoch, then --resume: bit for bit as if nothing had happened") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "whole", "6")).code == 0);

  Command killed(long_run(folder / "data", folder / "killed", "6"));
  REQUIRE(killed.wait_until([&] { return has_lines(folder / "killed", 14); }));  // step 13, in the second epoch
  killed.signal(SIGKILL);
  REQUIRE(killed.wait().code == -SIGKILL);

  const Outcome resumed = kindling_command({"train", "--resume", folder / "killed", "--json"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK(resumed.json()["epochs"] == 6);
  CHECK(contents(folder / "killed/last.ckpt") == contents(folder / "whole/last.ckpt"));
  CHECK(contents(folder / "killed/best.ckpt") == contents(folder / "whole/best.ckpt"));
  CHECK(timeless(folder / "killed") == timeless(folder / "whole"));
  CHECK(timeless(folder / "whole").size() == 6 * 9);
}

TEST_CASE("Ctrl-C saves a checkpoint, says how to go on, and exits with 130") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  Command stopped(long_run(folder / "data", folder / "run", "100000"));
  REQUIRE(stopped.wait_until([&] { return has_lines(folder / "run", 12); }));
  stopped.signal(SIGINT);
  const Outcome outcome = stopped.wait();
  CHECK(outcome.code == 130);
  CHECK_THAT(outcome.err, Contains("stopping; Ctrl-C again quits at once") &&
                              Contains("go on with: kindling train --resume " + (folder / "run")));
  const size_t lines = timeless(folder / "run").size();
  CHECK_FALSE(contents(folder / "run/last.ckpt").empty());

  // To an end that the interrupted run has passed already: nothing is left to do, and nothing is lost.
  const json before = timeless(folder / "run").back();
  const Outcome resumed = kindling_command(
      {"train", "--resume", folder / "run", "--epochs", std::to_string(before["epoch"].get<int64_t>() + 1), "--json"});
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(timeless(folder / "run").size() > lines);
  CHECK(resumed.json()["steps"].get<int64_t>() == 8 * (before["epoch"].get<int64_t>() + 1));
}

TEST_CASE("SIGTERM and SIGHUP save a checkpoint too, and exit with 128 and their number") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  for (const auto& [number, name] : {std::pair(SIGTERM, "SIGTERM"), std::pair(SIGHUP, "SIGHUP")}) {
    const std::string run = folder / name;
    Command stopped(long_run(folder / "data", run, "100000"));
    REQUIRE(stopped.wait_until([&] { return has_lines(run, 2); }));
    stopped.signal(number);
    if (number == SIGHUP) stopped.signal(SIGHUP);  // as the shell and the kernel do when a terminal closes
    const Outcome outcome = stopped.wait();
    CHECK(outcome.code == 128 + number);
    CHECK_THAT(outcome.err, Contains(std::string("stopping (") + name + ")") && Contains("go on with: kindling train"));
    CHECK_FALSE(contents(run + "/last.ckpt").empty());
  }
  Command impatient(long_run(folder / "data", folder / "impatient", "100000"));
  REQUIRE(impatient.wait_until([&] { return has_lines(folder / "impatient", 1); }));
  impatient.signal(SIGINT);
  impatient.signal(SIGTERM);
  const int code = impatient.wait().code;
  CHECK((code == 143 || code == 130));  // 130 if it had done its update in between
}

TEST_CASE("train --resume does not begin anew over what a run has come to") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::string run = folder / "run";
  REQUIRE(kindling_command(long_run(folder / "data", run, "1")).code == 0);
  std::filesystem::remove(run + "/last.ckpt");
  const std::string best = contents(run + "/best.ckpt");
  const auto check_refused = [&](const std::string& what) {
    const Outcome outcome = kindling_command({"train", "--resume", run});
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.err, EndsWith("kindling train: " + run + ": has no last.ckpt, but " + what +
                                     ": put last.ckpt back, train in another folder, or move these files away to "
                                     "begin anew in this one\n"));
  };
  check_refused("best.ckpt and metrics.jsonl with 9 lines");
  CHECK(contents(run + "/best.ckpt") == best);
  CHECK(timeless(run).size() == 9);
  std::filesystem::remove(run + "/best.ckpt");
  check_refused("metrics.jsonl with 9 lines");
  std::filesystem::remove(run + "/metrics.jsonl");
  const Outcome anew = kindling_command({"train", "--resume", run});
  CHECK(anew.code == 0);
  CHECK_THAT(anew.err, Contains("has no checkpoint yet, so training starts from the beginning"));
  CHECK(contents(run + "/best.ckpt") == best);
}

TEST_CASE("a run that is stopped in its first epoch has no training loss yet") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 200);
  Command stopped(with(long_run(folder / "data", folder / "run", "100000"), {"--json"}));
  REQUIRE(stopped.wait_until([&] { return has_lines(folder / "run", 1); }));  // of 80 in the first epoch
  stopped.signal(SIGINT);
  const Outcome outcome = stopped.wait();
  CHECK(outcome.code == 130);
  const json result = outcome.json();
  INFO(result);
  CHECK(result["train_loss"].is_null() == (result["epochs"] == 0));
}

TEST_CASE("a second Ctrl-C quits at once") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  Command stopped(long_run(folder / "data", folder / "run", "100000"));
  REQUIRE(stopped.wait_until([&] { return has_lines(folder / "run", 1); }));
  stopped.signal(SIGINT);
  stopped.signal(SIGINT);
  CHECK(stopped.wait().code == 130);
}

TEST_CASE("train --resume takes no options that would change what was trained") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "1")).code == 0);
  const Outcome outcome = kindling_command({"train", "--resume", folder / "run", "--lr", "0.1"});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("--lr cannot be changed when a run is resumed; only --threads, --workers"));
}

TEST_CASE("train --resume does not go back") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "2")).code == 0);
  const Outcome outcome = kindling_command({"train", "--resume", folder / "run", "--epochs", "1"});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("--epochs 1: " + (folder / "run") + " has done 2 already"));
  CHECK(kindling_command({"train", "--resume", folder / "run", "--epochs", "2"}).code == 0);
}

TEST_CASE("train --resume does not go on with other classes") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "1")).code == 0);
  const std::string config = contents(folder / "run/config.json");
  std::filesystem::rename(folder / "data/blue", folder / "data/yellow");
  const Outcome outcome = kindling_command({"train", "--resume", folder / "run", "--epochs", "2"});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("are not those of the run (green red yellow here, blue green red there)"));
  CHECK(contents(folder / "run/config.json") == config);

  json facts = json::parse(config);
  for (const auto& [key, value] : {std::pair("class_names", json(5)), std::pair("channels", json("x"))}) {
    json damaged = facts;
    damaged[key] = value;
    write_file(folder / "run/config.json", damaged.dump());
    const Outcome refused = kindling_command({"train", "--resume", folder / "run"});
    CHECK(refused.code == 1);
    CHECK_THAT(refused.err, Contains((folder / "run/config.json") + ": \"" + key + "\" is no "));
  }
}

TEST_CASE("train --resume --data: data that has moved, with the same bytes as without moving") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "stayed", "2")).code == 0);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "moved", "2")).code == 0);
  REQUIRE(kindling_command({"train", "--resume", folder / "stayed", "--epochs", "4"}).code == 0);

  std::filesystem::rename(folder / "data", folder / "elsewhere");
  const Outcome gone = kindling_command({"train", "--resume", folder / "moved", "--epochs", "4"});
  CHECK(gone.code == 1);
  CHECK_THAT(gone.err, Contains((folder / "data") + ": there is no such folder; if it has moved, say where it is by"));
  const Outcome resumed = kindling_command(
      {"train", "--resume", folder / "moved", "--epochs", "4", "--data", "folder:" + (folder / "elsewhere")});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK_THAT(resumed.err, !Contains("note"));
  CHECK(contents(folder / "moved/last.ckpt") == contents(folder / "stayed/last.ckpt"));
  CHECK(contents(folder / "moved/best.ckpt") == contents(folder / "stayed/best.ckpt"));
  CHECK(timeless(folder / "moved") == timeless(folder / "stayed"));
  CHECK(json::parse(contents(folder / "moved/config.json"))["data"] == "folder:" + (folder / "elsewhere"));
  CHECK(kindling_command({"train", "--resume", folder / "moved", "--epochs", "5"}).code ==
        0);  // it is known from now on
}

TEST_CASE("train --resume --data: other data is refused with what differs, and the run stays as it is") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "1")).code == 0);
  const std::string config = contents(folder / "run/config.json"), last = contents(folder / "run/last.ckpt");
  const auto check_refused = [&](const std::string& spec, const std::string& difference) {
    const Outcome outcome = kindling_command({"train", "--resume", folder / "run", "--epochs", "2", "--data", spec});
    CHECK(outcome.code == 1);
    CHECK(outcome.err == "kindling train: --data " + spec + ": is not the data of the run " + (folder / "run") + ": " +
                             difference + "\n");
    CHECK(contents(folder / "run/config.json") == config);
    CHECK(contents(folder / "run/last.ckpt") == last);
  };
  check_refused("shapes", "it is shapes, the run began with folder");
  const std::string other = folder / "other";
  std::filesystem::copy(folder / "data", other, std::filesystem::copy_options::recursive);
  write_file(other + "/green/1000.bmp", contents(other + "/green/1000.bmp") + "more");
  check_refused("folder:" + other, "images in green/ have other names or sizes than in training");
  std::filesystem::rename(other + "/green/1000.bmp", other + "/green/9999.bmp");
  check_refused("folder:" + other, "images in green/ have other names or sizes than in training");
  std::filesystem::remove(other + "/green/9999.bmp");
  check_refused("folder:" + other, "green/ has 19 images, training had 20");
  std::filesystem::remove_all(other + "/green");
  check_refused("folder:" + other, "there is no green/, which training had");
}

TEST_CASE("train --resume tells that the data has changed where it lies") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "1")).code == 0);
  std::filesystem::rename(folder / "data/red/1000.bmp", folder / "data/red/9999.bmp");
  const Outcome outcome = kindling_command({"train", "--resume", folder / "run", "--epochs", "2"});
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("has changed since the run began, so it goes on otherwise than it would have: "
                                   "images in red/ have other names or sizes than in training"));
}

TEST_CASE("train --resume: more or fewer images to train on, or other classes, are one message and no note") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(long_run(folder / "data", folder / "run", "1")).code == 0);
  const std::vector<std::string> resume{"train", "--resume", folder / "run", "--epochs", "2"};
  write_images(folder / "data", {"blue", "green", "red"}, 22);
  const Outcome more = kindling_command(resume);
  CHECK(more.code == 1);
  CHECK(more.err == "kindling train: folder:" + (folder / "data") +
                        " has changed since the run began, so it cannot go on: blue/ has 22 images, training had 20 "
                        "(53 images to train on, 48 then); put them back, or begin anew in another folder (--out) with "
                        "--weights " +
                        (folder / "run/last.ckpt") + "\n");
  std::filesystem::rename(folder / "data/blue", folder / "data/yellow");
  CHECK_THAT(kindling_command(resume).err, StartsWith("kindling train: the classes of folder:"));
}

TEST_CASE("signals that were ignored when it began stop nothing") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::string run = folder / "run";
  const std::vector<std::string> script{"-c", "trap '' INT TERM HUP; exec \"$0\" \"$@\"", KINDLING_COMMAND};
  Command ignoring(with(script, long_run(folder / "data", run, "30")), {.program = "/bin/sh"});
  REQUIRE(ignoring.wait_until([&] { return has_lines(run, 1); }));
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ignoring.signal(number);
  const Outcome outcome = ignoring.wait();
  INFO(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(timeless(run).size() == 30 * 9);
}

TEST_CASE("train --resume --data of a run without a checkpoint says that there is none") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::string run = folder / "run", data = "folder:" + (folder / "data");
  REQUIRE(kindling_command(long_run(folder / "data", run, "1")).code == 0);
  for (const char* name : {"last.ckpt", "best.ckpt", "metrics.jsonl"}) std::filesystem::remove(run + "/" + name);
  const Outcome outcome = kindling_command({"train", "--resume", run, "--data", data});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("--data: " + run + " has no checkpoint to go on from; begin anew on " + data));
}
