#include <kindling/train/run_folder.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include <kindling/io/atomic_file.h>
#include <kindling/train/training_state.h>

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
  run.write_config({{"lr", 0.1}, {"model", "lenet"}}, describe_machine());
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
  const std::string message = folder.path() +
                              ": holds a run already: go on with it (FitOptions.resume = true, or kindling train "
                              "--resume " +
                              folder.path() + "), or choose another folder";
  SECTION("by its metrics") { RunFolder(folder.path(), RunFolder::Open::create).append_metrics({{"step", 1}}); }
  SECTION("by its checkpoint") { write_file(folder / "last.ckpt", "x"); }
  SECTION("by its best checkpoint") { write_file(folder / "best.ckpt", "x"); }
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
  run.append_metrics({{"step", 3}});  // there is space again: the line that waited comes first
  CHECK(read_metrics(folder.path()).size() == 3);
  CHECK(read_metrics(folder.path())[2]["step"] == 3);
  CHECK(run.metrics_lines() == 3);
}

TEST_CASE("space for checkpoints is asked for in bytes of a file, and of all files") {
  const TemporaryFolder folder;
  const RunFolder run(folder.path(), RunFolder::Open::create);
  CHECK_NOTHROW(run.check_space(1000, 3));
  CHECK_THROWS_WITH(
      run.check_space(int64_t{1} << 60, 2),
      Catch::StartsWith(folder.path() + ": the checkpoints of this run need 2305843009213.7 MB on the disk, "
                                        "of which "));
  const FileSizeLimit limit(999);
  CHECK_THROWS_WITH(run.check_space(1000, 1), Catch::Contains("files may have 999 bytes here (ulimit -f)"));
}

TEST_CASE("what a killed run left half-written is removed") {
  const TemporaryFolder folder;
  for (const char* file : {"config.json", "curves.svg", "last.ckpt", "best.ckpt"})
    write_file(folder / (std::string(file) + ".tmp-99-0"), "half");
  write_file(folder / "notes.tmp-important", "whole");
  const RunFolder run(folder.path(), RunFolder::Open::resume);
  CHECK(folder.listing() == "metrics.jsonl notes.tmp-important");
}

TEST_CASE("a run that is being written is left alone") {
  const TemporaryFolder folder;
  {
    RunFolder run(folder.path(), RunFolder::Open::create);
    write_file(folder / "last.ckpt.tmp-99-0", "half");
    for (const auto mode : {RunFolder::Open::create, RunFolder::Open::resume})
      CHECK_THROWS_MATCHES(RunFolder(folder.path(), mode), FileError,
                           Catch::Message(folder.path() + ": is in use by another process"));
    CHECK(folder.listing() == "last.ckpt.tmp-99-0 metrics.jsonl");
    run.append_metrics({{"step", 1}});
  }
  const RunFolder again(folder.path(), RunFolder::Open::resume);
  CHECK(folder.listing() == "metrics.jsonl");
}

TEST_CASE("a position that no run comes to is refused") {
  const RunIdentity identity{.batch_size = 8, .accumulate = 1, .samples = 20};
  State good = to_state({}, identity);
  good["batch"] = Tensor::from<int64_t>({3}, {});
  CHECK(from_state(good, identity).batch == 3);
  const auto refuses = [&](const std::string& name, int64_t value, const std::string& message) {
    State state = good;
    state[name] = Tensor::from<int64_t>({value}, {});
    CHECK_THROWS_MATCHES(from_state(state, identity), Error, Catch::Message(message));
  };
  for (const std::string name : {"epoch", "step", "metrics_lines", "best_epoch", "epoch_samples", "logged_hits1"})
    refuses(name, -1, name + " is -1, it must be from 0 to 9007199254740992");
  refuses("step", INT64_MAX, "step is 9223372036854775807, it must be from 0 to 9007199254740992");
  refuses("batch", -1, "batch is -1, it must be from 0 to 3");
  refuses("batch", 4, "batch is 4, it must be from 0 to 3");
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
