#include <kindling/train/run_folder.h>

#include <catch2/catch.hpp>
#include <fstream>

#include <kindling/io/atomic_file.h>

#include <kindling/tests/support/temporary_folder.h>
#include "../io/file_size_limit.h"

using namespace kindling;
using nlohmann::json;

TEST_CASE("a run folder is made with its parents") {
  const TemporaryFolder folder;
  const RunFolder run(folder / "runs/first", RunFolder::Open::create);
  CHECK(run.last_checkpoint() == folder / "runs/first/last.ckpt");
  CHECK(run.best_checkpoint() == folder / "runs/first/best.ckpt");
  CHECK(std::filesystem::exists(run.path()));
}

TEST_CASE("config.json holds the caller's options, the version and the machine") {
  const TemporaryFolder folder;
  const RunFolder run(folder.path(), RunFolder::Open::create);
  run.write_config({{"lr", 0.1}, {"model", "lenet"}});
  const json config = RunFolder::read_config(folder.path());
  CHECK(config["lr"] == 0.1);
  CHECK(config["model"] == "lenet");
  CHECK(config["version"] == version());
  CHECK(config["machine"] == describe_machine());
  for (const char* key : {"cpu", "isa", "blas"}) CHECK_FALSE(config["machine"][key].get<std::string>().empty());
  CHECK(config["machine"]["threads"].get<int>() >= 1);
}

TEST_CASE("a folder that holds a run is not overwritten by another") {
  const TemporaryFolder folder;
  const std::string message = folder.path() + ": holds a run already: resume it, or choose another folder";
  SECTION("by its metrics") { RunFolder(folder.path(), RunFolder::Open::create).append_metrics({{"step", 1}}); }
  SECTION("by its checkpoint") { write_file(folder / "last.ckpt", "x"); }
  CHECK_THROWS_MATCHES(RunFolder(folder.path(), RunFolder::Open::create), FileError, Catch::Message(message));
  CHECK_NOTHROW(RunFolder(folder.path(), RunFolder::Open::resume));
}

TEST_CASE("metrics are cut back to a number of lines, then go on") {
  const TemporaryFolder folder;
  {
    RunFolder run(folder.path(), RunFolder::Open::create);
    for (int step = 1; step <= 3; ++step) run.append_metrics({{"step", step}, {"lr", 0.5}});
    CHECK(run.metrics_lines() == 3);
    run.sync_metrics();
  }
  std::ofstream(folder / "metrics.jsonl", std::ios::app) << "{\"step\":4,\"l";  // killed in the middle of a line
  {
    RunFolder run(folder.path(), RunFolder::Open::resume);
    run.cut_metrics(2);
    CHECK(run.metrics_lines() == 2);
    run.append_metrics({{"step", 30}});
  }
  CHECK(read_file(folder / "metrics.jsonl") == "{\"step\":1,\"lr\":0.5}\n{\"step\":2,\"lr\":0.5}\n{\"step\":30}\n");
  const std::vector<json> lines = read_metrics(folder.path());
  REQUIRE(lines.size() == 3);
  CHECK(lines[2]["step"] == 30);

  RunFolder run(folder.path(), RunFolder::Open::resume);
  run.cut_metrics(10);
  CHECK(run.metrics_lines() == 3);
}

TEST_CASE("a disk without space leaves only whole lines") {
  const TemporaryFolder folder;
  RunFolder run(folder.path(), RunFolder::Open::create);
  run.append_metrics({{"step", 1}});
  std::string message;
  {
    const FileSizeLimit limit(64);
    try {
      run.append_metrics({{"text", std::string(100, 'x')}});
    } catch (const FileError& error) {
      message = error.what();
    }
  }
  CHECK(message == (folder / "metrics.jsonl") + ": cannot be written: no space left");
  CHECK(read_file(folder / "metrics.jsonl") == "{\"step\":1}\n");
  CHECK(run.metrics_lines() == 1);
}

TEST_CASE("what a killed run left half-written is removed") {
  const TemporaryFolder folder;
  write_file(folder / "last.ckpt.tmp-99-0", "half");
  const RunFolder run(folder.path(), RunFolder::Open::resume);
  CHECK(folder.listing() == "metrics.jsonl");
}

TEST_CASE("folders and files that cannot be used are named") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  CHECK_THROWS_MATCHES(RunFolder(folder / "file/run", RunFolder::Open::create), FileError,
                       Catch::Message((folder / "file/run") + ": cannot be made: Not a directory"));
  CHECK_THROWS_MATCHES(RunFolder::read_config(folder.path()), FileError,
                       Catch::Message((folder / "config.json") + ": cannot be opened: No such file or directory"));
  write_file(folder / "config.json", "[1]");
  CHECK_THROWS_MATCHES(RunFolder::read_config(folder.path()), FileError,
                       Catch::Message((folder / "config.json") + ": is not a JSON object"));
  write_file(folder / "metrics.jsonl", "{}\nx\n");
  CHECK_THROWS_MATCHES(read_metrics(folder.path()), FileError,
                       Catch::Message((folder / "metrics.jsonl") + ": line 2 is not a JSON object"));
}
