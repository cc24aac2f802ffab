#include <kindling/train/terminal_progress.h>

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <functional>

#include <kindling/io/atomic_file.h>
#include <kindling/optim/sgd.h>
#include <kindling/train/terminal.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/temporary_folder.h>
#include "small_problem.h"

using namespace kindling;
using Catch::Contains;

namespace {

/// What `work` writes to standard error, which is no terminal meanwhile.
std::string standard_error_of(const std::function<void()>& work) {
  const TemporaryFolder folder;
  const std::string path = folder / "err";
  std::fflush(stderr);
  const int before = ::dup(STDERR_FILENO), file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(::dup2(file, STDERR_FILENO) == STDERR_FILENO);
  work();
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(file);
  return read_file(path);
}

struct CountEpochs : TrainListener {
  void on_epoch(const EpochReport&) override { ++epochs; }
  int epochs = 0;
};

std::string train_with(FitOptions options) {
  Sequential net = small_net(1);
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.05}), {.batch_size = 16});
  options.epochs = 2;
  return standard_error_of([&] { trainer.fit(quarters(32, 1), quarters(16, 2), options); });
}

}  // namespace

TEST_CASE("training shows its progress when asked to, and nothing else does") {
  CountEpochs listener;
  const std::string shown = train_with({.progress = true, .listener = &listener});
  CHECK_THAT(shown, Contains("epoch 1/2  loss ") && Contains("epoch 2/2  loss ") && Contains("  val "));
  CHECK_THAT(shown, Contains(" images/s") && Contains("best\n"));
  CHECK_THAT(shown, !Contains("\r") && !Contains("\x1b"));  // no bar, no colours: this is a file
  CHECK(listener.epochs == 2);

  CHECK(train_with({.listener = &listener}).empty());
  CHECK(listener.epochs == 4);
}

TEST_CASE("who is quiet hears notes alone") {
  TerminalProgress progress(/*quiet=*/true);
  const std::string shown = standard_error_of([&] {
    progress.print("a line");
    progress.on_start(0, 2, 10, 20);
    progress.on_epoch({.epoch = 1, .epochs = 2});
    progress.on_note("one image was skipped");
  });
  CHECK(shown == "note: one image was skipped\n");
}

TEST_CASE("numbers for people") {
  CHECK(terminal::duration(59.4) == "59 s");
  CHECK(terminal::duration(59.5) == "1:00");
  CHECK(terminal::duration(3723) == "1:02:03");
  CHECK(terminal::percent(56.789) == "56.79 %");
  CHECK(terminal::percent({}) == "-");
}
