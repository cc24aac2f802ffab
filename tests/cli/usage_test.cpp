// What the command line says to users who ask or err.
#include <catch2/catch.hpp>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("every command has help that ends with an example, and a version") {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"train"},
                                                                                       {"eval"},
                                                                                       {"info"},
                                                                                       {"gradcheck"},
                                                                                       {"doctor"},
                                                                                       {"graph"},
                                                                                       {"bench"},
                                                                                       {"bench", "train"},
                                                                                       {"bench", "infer"},
                                                                                       {"bench", "gemm"},
                                                                                       {"bench", "conv"}}) {
    INFO(command.back());
    std::vector<std::string> help = command, version = command;
    help.push_back("--help");
    version.push_back("--version");
    const Outcome helped = kindling_command(help);
    CHECK(helped.code == 0);
    CHECK(helped.err.empty());
    CHECK_THAT(helped.out, Contains("Example:\n  kindling " + command.front()));
    CHECK_THAT(helped.out, Contains("Usage: kindling " + command.front()));
    const Outcome versioned = kindling_command(version);
    CHECK(versioned.code == 0);
    CHECK(versioned.out == "0.1.0\n");
  }
}

TEST_CASE("options of every command are in its help") {
  for (const std::string command : {"train", "eval", "info", "gradcheck", "graph", "doctor"}) {
    const std::string help = kindling_command({command, "--help"}).out;
    for (const std::string option : {"--json", "--quiet", "--threads N", "--seed N", "--help", "--version"})
      CHECK_THAT(help, Contains(option));
  }
}

TEST_CASE("wrong usage ends with exit code 2 and says what would do") {
  struct Mistake {
    std::vector<std::string> arguments;
    std::string message;
  };
  const std::vector<Mistake> mistakes{
      {{},
       "kindling: a command is needed: train, eval, info, gradcheck, bench, doctor, graph\nTry 'kindling --help'.\n"},
      {{"trian"}, "kindling: there is no command \"trian\"; did you mean train?\nTry 'kindling --help'.\n"},
      {{"bench"}, "kindling bench: a command is needed: train, infer, gemm, conv\nTry 'kindling bench --help'.\n"},
      {{"train", "--epoch", "3"},
       "kindling train: there is no option --epoch; did you mean --epochs?\nTry 'kindling train --help'.\n"},
      {{"train", "photos"}, "kindling train: what is \"photos\" for?\nTry 'kindling train --help'.\n"},
      {{"train", "--epochs", "many"},
       "kindling train: --epochs: must be at least 1, not many\nTry 'kindling train --help'.\n"},
      {{"info", "--model", "resnet"},
       "kindling info: --model: there is no \"resnet\"; choose one of lenet, alexnet, squeezenet1_0, squeezenet1_1, "
       "squeezenet_cifar\nTry 'kindling info --help'.\n"},
      {{"train", "--preset", "imagenet"},
       "kindling train: --preset: there is no \"imagenet\"; choose one of shapes, cifar, cifar-best, photos\nTry 'kindling "
       "train "
       "--help'.\n"},
      {{"train", "--data", "cifar"},
       "kindling train: --data: there is no \"cifar\"; choose one of shapes, cifar10:PATH, mnist:PATH, "
       "folder:PATH\nTry "
       "'kindling train --help'.\n"},
      {{"train", "--data", "folder:"},
       "kindling train: --data: \"folder:\" needs a path: folder:PATH\nTry 'kindling train --help'.\n"},
      {{"info", "--model", "lenet", "--bypass", "simple"},
       "kindling info: model 'lenet' has no bypass\nTry 'kindling info --help'.\n"},
      {{"info", "--model", "squeezenet1_1", "--size", "10"},
       "kindling info: --size 10: squeezenet1_1 needs at least 17 pixels\nTry 'kindling info --help'.\n"},
      {{"train", "--lr", "-1"}, "kindling train: --lr: must be at least 0, not -1\nTry 'kindling train --help'.\n"},
      {{"train", "--lr", "inf"}, "kindling train: --lr: must be at least 0, not inf\nTry 'kindling train --help'.\n"},
      {{"train", "--epochs", "99999999999999999999"},
       "kindling train: --epochs: must be at most 1000000000, not 99999999999999999999\nTry 'kindling train "
       "--help'.\n"},
      {{"train", "--seed", "-1"},
       "kindling train: --seed: must be a whole number from 0 to 2^64 - 1, not -1\nTry 'kindling train --help'.\n"},
      {{"train", "--seed", "18446744073709551616"},
       "kindling train: --seed: must be a whole number from 0 to 2^64 - 1, not 18446744073709551616\nTry 'kindling "
       "train --help'.\n"},
      {{"train", "--pct-start", "0"},
       "kindling train: --pct-start: must be between 0 and 1, not 0\nTry 'kindling train --help'.\n"},
      {{"train", "--milestones", "3,0"},
       "kindling train: --milestones: must be at least 1, not 0\nTry 'kindling train --help'.\n"},
      {{"train", "--mean", "nan,0,0"},
       "kindling train: --mean: must be a finite number, not nan\nTry 'kindling train --help'.\n"},
      {{"train", "--std", "1,0,1"}, "kindling train: --std: must be above 0, not 0\nTry 'kindling train --help'.\n"},
      {{"train", "--val-share", "0"},
       "kindling train: --val-share: must be between 0 and 1, not 0\nTry 'kindling train --help'.\n"},
      {{"gradcheck"},
       "kindling gradcheck: say what to check: --all, --op NAME or --model NAME\nTry 'kindling gradcheck --help'.\n"},
      {{"eval"},
       "kindling eval: --weights FILE is needed: the checkpoint or weights to measure\nTry 'kindling eval --help'.\n"},
      {{"bench", "gemm", "--m", "5"},
       "kindling bench gemm: --m, --n and --k go together\nTry 'kindling bench gemm --help'.\n"},
  };
  for (const Mistake& mistake : mistakes) {
    const Outcome outcome = kindling_command(mistake.arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err == mistake.message);
  }
}

TEST_CASE("what cannot be read or written ends with exit code 1") {
  const TemporaryFolder folder;
  const Outcome missing =
      kindling_command({"train", "--data", "folder:" + (folder / "nothing"), "--out", folder / "run"});
  CHECK(missing.code == 1);
  CHECK_THAT(missing.err, StartsWith("kindling train: ") && Contains(folder / "nothing"));
  CHECK(folder.listing().empty());

  const Outcome config = kindling_command({"train", "--config", folder / "none.json"});
  CHECK(config.code == 1);
  CHECK_THAT(config.err, Contains(folder / "none.json"));

  const Outcome run = kindling_command({"train", "--resume", folder / "none"});
  CHECK(run.code == 1);
  CHECK(run.err == "kindling train: " + (folder / "none") + ": is no run folder: it has no config.json\n");

  CHECK(kindling_command({"info", "--weights", folder / "none.safetensors"}).code == 1);
}

TEST_CASE("no escape codes where there is no terminal") {
  CHECK_THAT(kindling_command({"info", "--model", "lenet"}).out, !Contains("\x1b"));
}
