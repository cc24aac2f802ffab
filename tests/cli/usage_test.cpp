// What the command line says to users who ask or err.
#include <catch2/catch.hpp>

#include <cctype>
#include <filesystem>
#include <sstream>

#include <kindling/io/atomic_file.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using Strings = std::vector<std::string>;

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
    CHECK(versioned.out == "0.2.0\n");
  }
}

TEST_CASE("help fits into 80 columns, and tells what each preset sets") {
  for (const Strings& command : std::vector<Strings>{{},
                                                     {"train"},
                                                     {"eval"},
                                                     {"classify"},
                                                     {"info"},
                                                     {"gradcheck"},
                                                     {"graph"},
                                                     {"doctor"},
                                                     {"bench"},
                                                     {"bench", "train"},
                                                     {"bench", "infer"},
                                                     {"bench", "gemm"},
                                                     {"bench", "conv"}}) {
    std::istringstream help(kindling_command(with(command, {"--help"})).out);
    for (std::string line; std::getline(help, line);) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
  }
  std::istringstream words(kindling_command({"train", "--help"}).out);
  std::string text;
  for (std::string word; words >> word;) text += word + " ";
  CHECK_THAT(text, Contains(" --augment=pad-crop,flip --batch-size=64 ") &&
                       Contains(" --optimizer=muon --pct-start=0.3 --schedule=onecycle ") &&
                       Contains(" --drop-last --dropout=0.2 --epochs=15 "));
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
       "kindling: a command is needed: train, eval, classify, compress, convert, info, sweep, gradcheck, bench, "
       "doctor, "
       "graph\nTry "
       "'kindling "
       "--help'.\n"},
      {{"trian"}, "kindling: there is no command \"trian\"; did you mean train?\nTry 'kindling --help'.\n"},
      {{"trian", "--help"}, "kindling: there is no command \"trian\"; did you mean train?\nTry 'kindling --help'.\n"},
      {{"bench", "trian", "--help"},
       "kindling bench: there is no command \"trian\"; did you mean train?\nTry 'kindling bench --help'.\n"},
      {{"bench", "everything"},
       "kindling bench: there is no command \"everything\"; there are train, infer, gemm, conv\nTry 'kindling bench "
       "--help'.\n"},
      {{"bench"}, "kindling bench: a command is needed: train, infer, gemm, conv\nTry 'kindling bench --help'.\n"},
      {{"train", "--epoch", "3"},
       "kindling train: there is no option --epoch; did you mean --epochs?\nTry 'kindling train --help'.\n"},
      {{"train", "photos"}, "kindling train: what is \"photos\" for?\nTry 'kindling train --help'.\n"},
      {{"train", "--epochs", "many"},
       "kindling train: --epochs: \"many\" is not a number; it must be at least 1\nTry 'kindling train --help'.\n"},
      {{"info", "--model", "resnet"},
       "kindling info: --model: there is no \"resnet\"; choose one of lenet, alexnet, alexnet_cifar, squeezenet1_0, "
       "squeezenet1_1, squeezenet_cifar\nTry 'kindling info --help'.\n"},
      {{"train", "--preset", "imagenet"},
       "kindling train: --preset: there is no \"imagenet\"; choose one of shapes, cifar, cifar-best, photos, "
       "finetune\nTry "
       "'kindling "
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
      {{"train", "--lr", "abc"},
       "kindling train: --lr: \"abc\" is not a number; it must be at least 0\nTry 'kindling train --help'.\n"},
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
      {{"train", "--val-share", "1"},
       "kindling train: --val-share: must be in [0, 1), not 1\nTry 'kindling train --help'.\n"},
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

TEST_CASE("an empty value is an error, for every option that takes one") {
  std::istringstream help(kindling_command({"train", "--help"}).out);
  int options = 0;
  for (std::string line; std::getline(help, line);) {
    std::istringstream words(line);
    std::string name, value;
    words >> name >> value;
    const bool takes_value = name.starts_with("--") && !value.empty() && std::isupper(value[0]) != 0 &&
                             line.find(name + " " + value) == 2 && std::islower(value.back()) == 0;
    if (!takes_value) continue;
    INFO(line);
    ++options;
    const Outcome outcome = kindling_command({"train", name, ""});
    CHECK(outcome.code == 2);
    CHECK(outcome.err == "kindling train: " + name + ": needs a value\nTry 'kindling train --help'.\n");
  }
  CHECK(options > 40);
  for (const std::string option : {"--resume=", "--out=", "--milestones="}) {
    const Outcome outcome = kindling_command({"train", option, "--epochs", "1"});
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(option.substr(0, option.size() - 1) + ": needs a value"));
  }
  const TemporaryFolder folder;
  write_file(folder / "config.json", R"({"data": "shapes", "weights": ""})");
  const Outcome outcome = kindling_command({"train", "--config", folder / "config.json"});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("config.json: --weights: needs a value"));
}

TEST_CASE("an option that has no effect is an error that says why") {
  struct Case {
    std::vector<std::string> arguments;
    std::string message;
  };
  const std::vector<Case> cases{
      {{"--optimizer", "adam", "--nesterov"}, "--nesterov has no effect with --optimizer adam: it is for sgd"},
      {{"--optimizer", "muon", "--nesterov"}, "--nesterov has no effect with --optimizer muon: it is for sgd"},
      {{"--nesterov", "--momentum", "0"}, "--nesterov has no effect with --momentum 0"},
      {{"--optimizer", "adamw", "--momentum-form", "caffe"},
       "--momentum-form has no effect with --optimizer adamw: it is for sgd"},
      {{"--momentum-form", "caffe", "--momentum", "0"}, "--momentum-form has no effect with --momentum 0"},
      {{"--schedule", "cosine", "--power", "2"}, "--power has no effect with --schedule cosine: it is for poly"},
      {{"--gamma", "0.5"}, "--gamma has no effect with --schedule poly: it is for step and multistep"},
      {{"--step-every", "3"}, "--step-every has no effect with --schedule poly: it is for step"},
      {{"--schedule", "step", "--milestones", "3"},
       "--milestones has no effect with --schedule step: it is for multistep"},
      {{"--pct-start", "0.2"}, "--pct-start has no effect with --schedule poly: it is for onecycle"},
      {{"--div-factor", "9"}, "--div-factor has no effect with --schedule poly: it is for onecycle"},
      {{"--final-div-factor", "9"}, "--final-div-factor has no effect with --schedule poly: it is for onecycle"},
      {{"--crop-padding", "2"}, "--crop-padding has no effect without --augment pad-crop"},
      {{"--augment", "flip", "--cutout-size", "2"}, "--cutout-size has no effect without --augment cutout"},
      {{"--histograms-every", "1"},
       "--histograms-every has no effect without --tensorboard: they are part of its event files"},
      {{"--labels", "names.txt"}, "--labels has no effect with --data shapes: it is for folder:PATH"},
      {{"--val-share", "0.5"}, "--val-share has no effect with --data shapes, which draws its validation images"},
      {{"--dropout", "0.1"}, "model 'lenet' has no dropout"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = kindling_command(with({"train", "--data", "shapes", "--model", "lenet"}, c.arguments));
    CHECK(outcome.code == 2);
    CHECK(outcome.err == "kindling train: " + c.message + "\nTry 'kindling train --help'.\n");
  }
}

TEST_CASE("what has no effect is an error in a file for --config, but not in a preset or in the config.json of a run") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green"}, 20);
  write_file(folder / "config.json", R"({"model": "lenet", "gamma": 0.5})");
  const std::vector<std::string> train{
      "train", "--data", "folder:" + (folder / "data"), "--batch-size", "8", "--size", "28", "--epochs", "1"};
  const Outcome named = kindling_command(with(train, {"--config", folder / "config.json"}));
  CHECK(named.code == 2);
  CHECK_THAT(named.err, Contains("--gamma has no effect with --schedule poly"));

  // The preset's nesterov and pct_start are for sgd and onecycle.
  const Outcome preset = kindling_command(
      with(train, {"--preset", "cifar", "--optimizer", "adamw", "--schedule", "poly", "--out", folder / "run"}));
  INFO(preset.err);
  REQUIRE(preset.code == 0);
  const nlohmann::json config = nlohmann::json::parse(contents(folder / "run/config.json"));
  CHECK(config["nesterov"] == false);
  const Outcome again =
      kindling_command({"train", "--config", folder / "run/config.json", "--out", folder / "again", "--quiet"});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(contents(folder / "again/last.ckpt") == contents(folder / "run/last.ckpt"));
}

TEST_CASE("what memory is asked for is named where there is not enough") {
  if (!kCanLimitAddressSpace) return;
  const Outcome outcome =
      kindling_command({"info", "--classes", "1000000000"}, {.address_space = int64_t{4'000'000'000}});
  CHECK(outcome.code == 1);
  CHECK(outcome.err == "kindling info: out of memory; a smaller --size or --classes needs less\n");
}

TEST_CASE("one thread is one thread") {
  CHECK_THAT(
      kindling_command({"bench", "gemm", "--m", "8", "--n", "8", "--k", "8", "--steps", "1", "--threads", "1"}).out,
      Contains("; 1 thread, "));
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
  CHECK(run.err == "kindling train: " + (folder / "none") + ": there is no such run; \"ls " + folder.path() +
                       "\" shows what is beside it, --out " + (folder / "none") + " begins one\n");
  CHECK(kindling_command({"train", "--resume", folder.path()}).err ==
        "kindling train: " + folder.path() + ": is no run folder: it has no config.json\n");

  CHECK(kindling_command({"info", "--weights", folder / "none.safetensors"}).code == 1);
}

TEST_CASE("a folder or a picture as --weights, and what to name instead") {
  const TemporaryFolder folder;
  const std::string run = folder / "run", picture = folder / "mine.JPG";
  std::filesystem::create_directories(run);
  write_file(picture, "bytes");
  const auto check_refused = [](const std::string& weights, const std::string& message) {
    for (const std::vector<std::string>& command : {Strings{"info"}, Strings{"eval"}, Strings{"bench", "infer"}}) {
      const Outcome outcome = kindling_command(with(command, {"--weights", weights}));
      CHECK(outcome.code == 1);
      CHECK_THAT(outcome.err,
                 StartsWith("kindling " + command.front()) && EndsWith(": " + weights + ": " + message + "\n"));
    }
  };
  check_refused(picture, "is a picture; --weights takes a checkpoint, as RUN/best.ckpt");
  check_refused(run, "is a folder without a checkpoint; --weights takes a file, as RUN/best.ckpt");
  for (const std::string name : {"last.ckpt", "best.ckpt"}) {  // the better one, where both are there
    write_file(run + "/" + name, "bytes");
    check_refused(run, "is a folder; did you mean " + run + "/" + name + "?");
  }
}

TEST_CASE("no escape codes where there is no terminal") {
  CHECK_THAT(kindling_command({"info", "--model", "lenet"}).out, !Contains("\x1b"));
}
