// Stopping, being killed and going on: the same bits as a run that was left alone.
#include <events.pb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include <kindling/data/transforms.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/checkpoint.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/run_folder.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include "small_problem.h"

using namespace kindling;
using nlohmann::json;

namespace {

/// Calls a function after every update.
struct AfterStep : TrainListener {
  explicit AfterStep(std::function<void(int64_t step)> call) : call_(std::move(call)) {}
  void on_step(const StepReport& report) override { call_(report.step); }
  void on_note(const std::string& note) override { notes.push_back(note); }

  std::vector<std::string> notes;

 private:
  std::function<void(int64_t)> call_;
};

/// A training of 20 updates in 2 epochs, with everything that has a state: momentum and its
/// schedule, dropout, augmentation, and, by choice, batch statistics and accumulation.
struct Problem {
  bool batch_norm = false;
  int64_t accumulate = 1;
  data::DatasetPtr val = quarters(20, 2);

  TrainResult run(FitOptions options) const {
    Sequential net = small_net(1, batch_norm);
    options.epochs = 2;
    options.log_every = 3;
    options.curves = false;
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4}),
                    {.schedule = one_cycle(),
                     .batch_size = 8,
                     .accumulate = accumulate,
                     .clip_norm = 1.0,
                     .train_transform = data::random_flip(),
                     .seed = 3});
    return trainer.fit(quarters(80 * accumulate - 3, 1), val, options);
  }
};

/// Samples of which one cannot be read while `broken`.
struct Fragile : data::Dataset {
  int64_t size() const override { return samples->size(); }
  data::Sample get(int64_t index) const override {
    if (broken && index == 3) throw FileError("sample 3: damaged");
    return samples->get(index);
  }

  data::DatasetPtr samples = quarters(20, 2);
  std::atomic<bool> broken = false;
};

/// metrics.jsonl without the speed.
std::vector<json> metrics_of(const std::string& run) {
  std::vector<json> lines = read_metrics(run);
  for (json& line : lines) line.erase("images_per_second");
  return lines;
}

void check_same_run(const std::string& a, const std::string& b) {
  CHECK(read_file(a + "/last.ckpt") == read_file(b + "/last.ckpt"));
  CHECK(read_file(a + "/best.ckpt") == read_file(b + "/best.ckpt"));
  CHECK(metrics_of(a) == metrics_of(b));
}

void kill_myself() { ::kill(::getpid(), SIGKILL); }

/// Runs the problem in a child process, which `killer` kills.
void run_and_kill(const Problem& problem, FitOptions options, TrainListener& killer) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    set_num_threads(1);  // OpenMP's other threads have not come along
    options.reading.workers = 0;
    options.listener = &killer;
    problem.run(options);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

/// After update `step`.
void run_and_kill(const Problem& problem, const FitOptions& options, int64_t step) {
  AfterStep killer([step](int64_t now) {
    if (now == step) kill_myself();
  });
  run_and_kill(problem, options, killer);
}

/// Kills the process when the first epoch's line is written, and its checkpoints are not.
struct KillAtEpoch : TrainListener {
  void on_epoch(const EpochReport& /*report*/) override { kill_myself(); }
};

/// How often each "TAG STEP" is in the event files of a folder, read as TFRecords are: 8 bytes of
/// length, 4 of its checksum, the event, 4 of its checksum.
std::map<std::string, int> count_events(const std::string& folder) {
  std::map<std::string, int> seen;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().find("tfevents") == std::string::npos) continue;
    const std::string bytes = read_file(entry.path().string());
    for (size_t at = 0; at < bytes.size();) {
      uint64_t length = 0;
      std::memcpy(&length, &bytes[at], sizeof length);
      tensorboard::Event event;
      REQUIRE(event.ParseFromString(bytes.substr(at + 12, length)));
      if (event.has_summary()) ++seen[event.summary().value(0).tag() + " " + std::to_string(event.step())];
      at += length + 16;
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("20 updates are 10, a kill and 10 more, bit for bit", "[model]") {
  // last.ckpt holds update 10, at the end of an epoch, or 12 when the run is killed.
  for (const int64_t every : {10, 4})
    for (const Problem& problem : {Problem{}, Problem{.batch_norm = true}, Problem{.accumulate = 2}}) {
      INFO("batch norm " << problem.batch_norm << ", accumulate " << problem.accumulate << ", every " << every);
      const TemporaryFolder folder;
      const std::string killed = folder / "killed", straight = folder / "straight";
      run_and_kill(problem, {.run = killed, .checkpoint_every = every}, 14);
      CHECK(metrics_of(killed).back()["step"] == 12);
      CHECK(problem.run({.run = killed, .resume = true, .checkpoint_every = every}).steps == 20);
      CHECK(problem.run({.run = straight, .checkpoint_every = every}).steps == 20);
      check_same_run(killed, straight);
    }
}

TEST_CASE("a run killed before its first checkpoint begins anew when it is resumed") {
  const TemporaryFolder folder;
  const Problem problem;
  const int64_t step = GENERATE(2, 7);  // without and with lines in metrics.jsonl
  run_and_kill(problem, {.run = folder / "killed"}, step);
  AfterStep listener([](int64_t) {});
  problem.run({.run = folder / "killed", .resume = true, .listener = &listener});
  REQUIRE(listener.notes.size() == 1);
  CHECK(listener.notes[0] == (folder / "killed") + ": has no checkpoint yet, so training starts from the beginning");
  problem.run({.run = folder / "straight"});
  check_same_run(folder / "killed", folder / "straight");
}

TEST_CASE("a run killed between the end of its first epoch and best.ckpt goes on from there") {
  const TemporaryFolder folder;
  const Problem problem{.val = GENERATE(data::DatasetPtr(), data::DatasetPtr(quarters(20, 2)))};
  KillAtEpoch killer;
  run_and_kill(problem, {.run = folder / "killed"}, killer);
  CHECK(metrics_of(folder / "killed").back().contains("val_loss"));
  CHECK(!std::filesystem::exists(folder / "killed/best.ckpt"));
  CHECK(problem.run({.run = folder / "killed", .resume = true}).steps == 20);
  problem.run({.run = folder / "straight"});
  check_same_run(folder / "killed", folder / "straight");
}

TEST_CASE("a run without last.ckpt does not begin anew over what it has come to") {
  const TemporaryFolder folder;
  const Problem problem;
  const std::string run = folder / "run";
  const auto refusal = [&](const std::string& what) {
    return Catch::Message(run + ": has no last.ckpt, but " + what +
                          ": put last.ckpt back, train in another folder, or move these files away to begin anew in "
                          "this one");
  };
  run_and_kill(problem, {.run = run}, 11);  // the first epoch has 10
  std::filesystem::remove(run + "/last.ckpt");
  CHECK_THROWS_MATCHES(problem.run({.run = run, .resume = true}), FileError,
                       refusal("best.ckpt and metrics.jsonl with 4 lines"));
  CHECK(std::filesystem::exists(run + "/best.ckpt"));
  CHECK(read_metrics(run).size() == 4);
  std::filesystem::remove(run + "/best.ckpt");
  CHECK_THROWS_MATCHES(problem.run({.run = run, .resume = true}), FileError, refusal("metrics.jsonl with 4 lines"));
}

TEST_CASE("a killed and resumed run has every event once", "[model]") {
  for (const int64_t every : {10, 4}) {
    const TemporaryFolder folder;
    const Problem problem;
    FitOptions options{.run = folder.path(), .checkpoint_every = every, .tensorboard = true, .histograms_every = 1};
    run_and_kill(problem, options, 14);
    options.resume = true;
    problem.run(options);
    const std::map<std::string, int> seen = count_events(folder.path());
    for (int64_t step = 1; step <= 20; ++step)
      for (const std::string tag : {"train/loss", "train/lr", "train/gradient_norm"})
        CHECK(seen.at(tag + " " + std::to_string(step)) == 1);
    for (const int64_t step : {10, 20})
      for (const std::string tag : {"val/loss", "val/top1", "weights/conv1/weight"})
        CHECK(seen.at(tag + " " + std::to_string(step)) == 1);
    for (const auto& [event, count] : seen) CHECK(count == 1);
  }
}

TEST_CASE("events of a validation that came after a stop are kept when the run goes on from there again") {
  const TemporaryFolder folder;
  const Problem problem;
  std::atomic<bool> stop{false};
  AfterStep stopper([&](int64_t step) { stop = step == 10; });
  FitOptions options{.run = folder.path(), .tensorboard = true, .listener = &stopper, .stop = &stop};
  CHECK(problem.run(options).steps == 10);
  stop = false;
  options.resume = true;
  options.listener = nullptr;
  run_and_kill(problem, options, 12);  // has validated, and its checkpoint is of step 10 too
  problem.run(options);
  for (const auto& [event, count] : count_events(folder.path())) CHECK(count == 1);
  CHECK(count_events(folder.path()).count("val/loss 10") == 1);
}

TEST_CASE("a checkpoint that cannot be written is told and tried again") {
  const TemporaryFolder folder;
  const Problem problem;
  const std::string last = folder / "run/last.ckpt", blocked = last + "/in-the-way";
  const auto block = [&] {
    std::filesystem::remove_all(last);
    std::filesystem::create_directories(blocked);  // a folder that is not empty is not replaced by a file
  };
  const auto run = [&](int64_t from, int64_t to) {
    AfterStep listener([&](int64_t step) {
      if (step == from) block();
      if (step == to) std::filesystem::remove_all(last);
    });
    const TrainResult result = problem.run({.run = folder / "run", .checkpoint_every = 5, .listener = &listener});
    CHECK(result.steps == 20);
    return listener.notes;
  };
  SECTION("there is room again before the end") {
    const std::vector<std::string> notes = run(8, 16);  // tried after 10 updates, at the epoch's end, and after 15
    CHECK(notes.size() == 3);
    CHECK(notes[0] == last + ": cannot be put in place: Is a directory; tried again at the next checkpoint");
    problem.run({.run = folder / "straight"});
    check_same_run(folder / "run", folder / "straight");
  }
  SECTION("there is none at the end") {
    CHECK_THROWS_MATCHES(run(8, 0), FileError,
                         Catch::Message(last + ": cannot be put in place: Is a directory; what was trained since the "
                                               "last checkpoint is lost"));
    CHECK(read_metrics(folder / "run").back()["epoch"] == 2);  // it went on to its end
  }
}

TEST_CASE("a best epoch whose checkpoint cannot be written does not count as the best") {
  const TemporaryFolder folder;
  const std::string best = folder / "run/best.ckpt";
  AfterStep listener([&](int64_t step) {
    if (step == 1) std::filesystem::create_directories(best + "/in-the-way");
    if (step == 11) std::filesystem::remove_all(best);
  });
  const Problem problem;
  const TrainResult result = problem.run({.run = folder / "run", .listener = &listener});
  CHECK(listener.notes.size() == 1);
  CHECK(result.best_epoch == 2);
  CHECK(std::filesystem::is_regular_file(best));
}

TEST_CASE("without validation a run fails if best.ckpt is missing at its end") {
  const TemporaryFolder folder;
  const std::string best = folder / "run/best.ckpt";
  const Problem problem{.val = nullptr};
  AfterStep listener([&](int64_t step) {
    if (step == 1) std::filesystem::create_directories(best + "/in-the-way");
  });
  CHECK_THROWS_MATCHES(problem.run({.run = folder / "run", .listener = &listener}), FileError,
                       Catch::Message(best + ": cannot be put in place: Is a directory; what was trained is in " +
                                      (folder / "run/last.ckpt") + " alone"));
  std::filesystem::remove_all(best);
  CHECK(std::filesystem::is_regular_file(folder / "run/last.ckpt"));
}

TEST_CASE("a run that is asked to stop finishes its update, writes last.ckpt and can go on") {
  const TemporaryFolder folder;
  const Problem problem;
  std::atomic<bool> stop{false};
  AfterStep stopper([&](int64_t step) { stop = step == 13; });
  const TrainResult stopped = problem.run({.run = folder / "stopped", .listener = &stopper, .stop = &stop});
  CHECK(stopped.end == TrainEnd::stopped);
  CHECK(stopped.steps == 13);
  CHECK(stopped.epochs == 1);

  SECTION("in the middle of an epoch") {}
  SECTION("at the last update of an epoch, before its validation") {
    AfterStep at_end([&](int64_t step) { stop = step == 20; });
    CHECK(problem.run({.run = folder / "stopped", .resume = true, .listener = &at_end, .stop = &stop}).steps == 20);
  }
  stop = false;
  CHECK(problem.run({.run = folder / "stopped", .resume = true}).end == TrainEnd::finished);
  problem.run({.run = folder / "straight"});
  check_same_run(folder / "stopped", folder / "straight");
}

TEST_CASE("an epoch whose validation fails is not lost") {
  const TemporaryFolder folder;
  const auto val = std::make_shared<Fragile>();
  const Problem problem{.val = val};
  AfterStep breaker([&](int64_t step) { val->broken = step == 20; });
  CHECK_THROWS_WITH(
      problem.run({.run = folder / "failed", .reading = {.strict = true, .cache_bytes = 0}, .listener = &breaker}),
      "sample 3: damaged");
  val->broken = false;
  AfterStep counter([&](int64_t) { FAIL("all updates were done"); });
  const FitOptions again{.run = folder / "failed", .resume = true, .reading = {.strict = true}, .listener = &counter};
  CHECK(problem.run(again).steps == 20);
  problem.run({.run = folder / "straight"});
  check_same_run(folder / "failed", folder / "straight");
}

TEST_CASE("a run that has ended can be resumed: it is measured again") {
  const TemporaryFolder folder;
  const Problem problem;
  const TrainResult first = problem.run({.run = folder / "run", .test = quarters(30, 3)});
  const std::string checkpoint = read_file(folder / "run/last.ckpt");
  const TrainResult again = problem.run({.run = folder / "run", .resume = true, .test = quarters(30, 3)});
  CHECK(again.steps == first.steps);
  CHECK(again.train_loss == first.train_loss);
  CHECK(again.validation->top1 == first.validation->top1);
  CHECK(again.test->top1 == first.test->top1);
  CHECK(read_file(folder / "run/last.ckpt") == checkpoint);
}

TEST_CASE("any number of threads and workers gives the same checkpoint, byte for byte", "[model]") {
  for (const bool batch_norm : {false, true}) {
    const TemporaryFolder folder;
    const Problem problem{.batch_norm = batch_norm};
    for (const int threads : {1, 2, 4}) {
      const ThreadsGuard guard(threads);
      const std::string run = folder / std::to_string(threads);
      problem.run({.run = run, .reading = {.workers = threads - 1}});
      check_same_run(run, folder / "1");
    }
  }
}

TEST_CASE("a run cannot go on with other data or another batch size") {
  const TemporaryFolder folder;
  const Problem problem;
  const std::string run = folder / "run";
  problem.run({.run = run});
  Sequential net = small_net(1);
  const auto resume = [&](int64_t batch_size, int64_t samples) {
    Trainer trainer(net, SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9}), {.batch_size = batch_size, .seed = 3});
    trainer.fit(quarters(samples, 1), nullptr, {.run = run, .resume = true});
  };
  CHECK_THROWS_MATCHES(resume(16, 77), FileError,
                       Catch::Message(run + "/last.ckpt: cannot be resumed: batch_size is 16, the run began with 8"));
  CHECK_THROWS_MATCHES(resume(8, 78), FileError,
                       Catch::Message(run + "/last.ckpt: cannot be resumed: samples is 78, the run began with 77"));
  Sequential other = small_net(1, /*batch_norm=*/true);
  Trainer trainer(other, SGD(other.parameters(), {.lr = 0.05, .momentum = 0.9}), {.batch_size = 8, .seed = 3});
  CHECK_THROWS_AS(trainer.fit(quarters(77, 1), nullptr, {.run = run, .resume = true}), FileError);
}

TEST_CASE("resuming on another instruction set or BLAS, or with another version, is told") {
  const TemporaryFolder folder;
  const Problem problem;
  const std::string run = folder / "run";
  problem.run({.run = run});
  json config = RunFolder::read_config(run);
  config["machine"]["isa"] = "abacus";
  config["version"] = "0.0.1";
  write_file(run + "/config.json", config.dump());
  AfterStep listener([](int64_t) {});
  problem.run({.run = run, .resume = true, .listener = &listener});
  REQUIRE(listener.notes.size() == 2);
  CHECK(listener.notes[0] == std::string("this run began with Kindling 0.0.1, this is ") + version() +
                                 ": results may differ in their last bits");
  CHECK(listener.notes[1] == "this run began with isa abacus, here it is " +
                                 describe_machine()["isa"].get<std::string>() +
                                 ": results will differ in their last bits");
}

TEST_CASE("config.json keeps the machine on which a run began, and is written if it is not there") {
  const TemporaryFolder folder;
  const Problem problem;
  const std::string run = folder / "run";
  problem.run({.run = run, .resume = true});  // from the beginning
  json config = RunFolder::read_config(run);
  CHECK(config["machine"] == describe_machine());
  config["machine"]["isa"] = "abacus";
  write_file(run + "/config.json", config.dump());
  for (int i = 0; i < 2; ++i) {
    AfterStep listener([](int64_t) {});
    problem.run({.run = run, .resume = true, .config = R"({"model": "small"})", .listener = &listener});
    CHECK(listener.notes.size() == 1);
    CHECK(RunFolder::read_config(run)["machine"]["isa"] == "abacus");
  }
}

TEST_CASE("more epochs can be added to a run") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.05}), {.schedule = poly(1.0), .batch_size = 8});
  const std::string run = folder / "run";
  trainer.fit(quarters(16, 1), nullptr, {.epochs = 2, .run = run});
  const TrainResult result = trainer.fit(quarters(16, 1), nullptr, {.epochs = 4, .run = run, .resume = true});
  CHECK(result.epochs == 4);
  CHECK(result.steps == 8);
  const std::vector<json> lines = read_metrics(run);
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[2]["lr"].get<double>(), Catch::WithinRel(0.05 * (1 - 5.0 / 8), 1e-9));
}
