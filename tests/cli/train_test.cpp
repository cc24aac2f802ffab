// kindling train and eval: what they write, and where options come from.
#include <catch2/catch.hpp>

#include <fstream>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>

#include <kindling/tests/data/test_files.h>
#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

/// Options of a run that takes a fraction of a second: LeNet on 16 pixels, 60 images of three
/// colours. What preset photos says otherwise is named.
std::vector<std::string> small_run(const std::string& data, const std::string& run,
                                   const std::vector<std::string>& more = {}) {
  return with({"train",        "--data", "folder:" + data, "--model",   "lenet",       "--out",         run,
               "--batch-size", "8",      "--epochs",       "3",         "--optimizer", "sgd",           "--lr",
               "0.02",         "--init", "model",          "--augment", "none",        "--no-drop-last"},
              more);
}

json config_of(const std::string& run) { return json::parse(contents(run + "/config.json")); }

}  // namespace

TEST_CASE("train: a run folder with everything in it, and one JSON document") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome outcome = kindling_command(small_run(folder / "data", folder / "run", {"--json"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json result = outcome.json();
  CHECK(result["run"] == folder / "run");
  CHECK(result["epochs"] == 3);
  CHECK(result["steps"] == 18);  // 48 images, 12 held out
  CHECK(result["train_loss"].get<double>() > 0);
  CHECK(result["val_top1"].get<double>() > 90);  // one colour a class
  CHECK(result["val_top5"].is_null());           // of three classes it says nothing
  CHECK(result["test_top1"].is_null());
  CHECK(result["images_per_second"].get<double>() > 0);
  CHECK(result["peak_rss_mb"].get<double>() > 1);
  CHECK_THAT(outcome.err, Contains("lenet (") && Contains("48 images of 3 classes, 12 for validation") &&
                              Contains("epoch 1/3  loss ") && Contains("epoch 3/3  loss ") && !Contains("\x1b"));

  for (const char* file : {"config.json", "metrics.jsonl", "curves.svg", "last.ckpt", "best.ckpt"})
    CHECK_FALSE(contents(folder / "run/" + file).empty());
  const std::vector<json> lines = json_lines(folder / "run/metrics.jsonl");
  REQUIRE(lines.size() == 3);
  for (const char* key : {"epoch", "step", "lr", "train_loss", "val_loss", "val_top1", "images_per_second"})
    CHECK(lines.back()[key].is_number());
  CHECK(lines.back()["step"] == 18);
}

TEST_CASE("train: --quiet says nothing while it works") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const Outcome outcome =
      kindling_command(small_run(folder / "data", folder / "run", {"--json", "--quiet", "--epochs=1"}));
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
}

TEST_CASE("train: test/ is read at the end") {
  const TemporaryFolder folder;
  for (const std::string part : {"train", "val", "test"})
    write_images(folder / "data/" + part, {"blue", "green", "red"}, part == "train" ? 20 : 4);
  const json result = kindling_command(small_run(folder / "data", folder / "run", {"--json"})).json();
  CHECK(result["steps"] == 24);  // 60 images
  CHECK(result["test_top1"].get<double>() > 90);
  CHECK(result["test_top5"].is_null());
}

TEST_CASE("train: command line over --config over --preset over defaults") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  write_file(folder / "options.json",
             R"({"preset": "cifar", "model": "lenet", "batch_size": 8, "epochs": 2, "lr": 0.01, "augment": ["flip"]})");
  const Outcome outcome =
      kindling_command({"train", "--config", folder / "options.json", "--data", "folder:" + (folder / "data"), "--out",
                        folder / "run", "--lr", "0.02", "--no-nesterov"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json config = config_of(folder / "run");
  CHECK(config["lr"] == 0.02);         // command line, over --config and preset
  CHECK(config["nesterov"] == false);  // command line, over preset
  CHECK(config["batch_size"] == 8);    // --config, over preset
  CHECK(config["epochs"] == 2);        // --config, over preset
  CHECK(config["augment"] == json{"flip"});
  CHECK(config["weight_decay"] == 0.0005);  // preset, over default
  CHECK(config["schedule"] == "onecycle");
  CHECK(config["mean"] == json{125.3, 123.0, 113.9});
  CHECK(config["val_share"] == 0.05);
  CHECK(config["log_every"] == 100);  // default
}

TEST_CASE("train: a run whose convolutions were computed otherwise goes on, and is told") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::string run = folder / "run";
  REQUIRE(kindling_command(small_run(folder / "data", run, {"--epochs=1"})).code == 0);
  const json written = config_of(run);
  const auto resume_with = [&](const json& config, const char* epochs) {
    write_file(run + "/config.json", config.dump());
    const Outcome outcome = kindling_command({"train", "--resume", run, "--epochs", epochs});
    CHECK(outcome.code == 0);
    CHECK(config_of(run)["convolutions"] == written["convolutions"]);
    return outcome.err;
  };
  CHECK_THAT(resume_with(written, "2"), !Contains("computed"));
  json other = written;
  other["convolutions"]["conv1"]["weight_grad"] = "by hand";
  CHECK_THAT(resume_with(other, "3"),
             Contains("conv1 (weight_grad) was computed by \"by hand\" before and is by \"direct\" now"));
  other.erase("convolutions");
  CHECK_THAT(resume_with(other, "4"), Contains("does not say how convolutions were computed"));
}

TEST_CASE("train: config.json holds every option, what was chosen, the seed, the version and the machine") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run", {"--seed", "7", "--epochs=1"})).code == 0);
  const json config = config_of(folder / "run");
  CHECK(config["seed"] == 7);
  CHECK(config["version"] == "0.2.0");
  for (const char* key : {"cpu", "isa", "blas", "threads"}) CHECK(config["machine"].contains(key));
  CHECK(config["data"] == "folder:" + (folder / "data"));
  CHECK(config["classes"] == 3);
  CHECK(config["size"] == 16);
  CHECK(config["channels"] == 3);
  CHECK(config["class_names"] == json{"blue", "green", "red"});
  CHECK(config["augment"] == json{"none"});
  for (const char* key :
       {"model", "bypass", "norm", "form", "optimizer", "momentum", "schedule", "warmup", "clip_norm"})
    CHECK(config.contains(key));
  CHECK(config["convolutions"].size() == 2);
  CHECK(config["convolutions"]["conv1"] == json{{"forward", "direct"}, {"weight_grad", "direct"}});
  CHECK(config["convolutions"]["conv2"]["input_grad"] == "winograd 2x2");
  // It is also a --config for the same run again.
  const Outcome again = kindling_command({"train", "--config", folder / "run/config.json", "--out", folder / "again"});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(contents(folder / "again/last.ckpt") == contents(folder / "run/last.ckpt"));
}

TEST_CASE("train: a folder without a preset gets preset photos, which follows from the pictures") {
  const TemporaryFolder folder;
  const auto config = [&](int64_t pixels, const std::vector<std::string>& more) {
    const std::string data = folder / std::to_string(pixels), run = folder / "run";
    if (!std::filesystem::exists(data)) write_images(data, {"blue", "green", "red"}, 3, pixels);
    std::filesystem::remove_all(run);
    const Outcome outcome =
        kindling_command(with({"train", "--data", "folder:" + data, "--epochs", "1", "--out", run}, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return config_of(run);
  };
  SECTION("small pictures") {
    const json small = config(32, {});
    CHECK(small["preset"] == "photos");
    CHECK(small["model"] == "squeezenet_cifar");
    CHECK(small["size"] == 32);
    CHECK(small["batch_size"] == 7);  // fewer pictures than the preset's 32
    CHECK(small["augment"] == json{"pad-crop", "flip"});
    CHECK(small["mean"] == json{123.675, 116.28, 103.53});  // of ImageNet
    CHECK(small["std"] == json{58.395, 57.12, 57.375});
    CHECK(small["optimizer"] == "muon");
    CHECK(small["norm"] == "batch");
  }
  SECTION("larger ones") {
    const json large = config(200, {});
    CHECK(large["model"] == "squeezenet1_1");
    CHECK(large["size"] == 128);
    CHECK(large["augment"] == json{"resized-crop", "flip"});
  }
  SECTION("what is named drops what depends on it") {
    const json model = config(32, {"--model", "squeezenet1_1", "--size", "40"});
    CHECK(model["model"] == "squeezenet1_1");
    CHECK(model["size"] == 40);
    CHECK(model["norm"] == "none");
    CHECK(model["bypass"] == "none");
    CHECK(model["conv10_bias"] == 1);  // without it the paper's network dies
    CHECK(model["lr"] == 0.005);
    const json optimizer = config(32, {"--optimizer", "adamw"});
    CHECK(optimizer["lr"] == 0.001);
    CHECK(optimizer["weight_decay"] == 0.0002);
    CHECK(optimizer["norm"] == "batch");
    const json lenet = config(32, {"--model", "lenet"});
    CHECK(lenet["conv10_bias"].is_null());
  }
  SECTION("another preset is taken as it is") { CHECK(config(32, {"--preset", "cifar"})["optimizer"] == "sgd"); }
}

TEST_CASE("train: a folder of all sorts of pictures is trained on to the end") {
  const data::TempFolder folder;
  const auto picture = [](int64_t height, int64_t width) { return data::smooth_image(height, width); };
  for (const std::string label : {"cat", "dog"}) {
    const std::string place = "photos/" + label + "/";
    folder.write(place + "wide.jpg", data::make_jpeg(picture(60, 150)));
    folder.write(place + "tall.PNG", data::make_png(picture(180, 50)));
    folder.write(place + "tiny.bmp", data::make_bmp(picture(3, 5)));
    folder.write(place + "grey.jpeg", data::make_jpeg(Tensor::full({80, 90, 1}, 77, DType::u8)));
    folder.write(place + "cmyk.jpg", data::cmyk_jpeg());
    folder.write(place + "cut.jpg", [&] {
      data::ByteVector half = data::make_jpeg(picture(70, 70));
      half.resize(half.size() / 2);
      return half;
    }());
    folder.write(place + "empty.png", data::ByteVector());
    folder.write(place + "text.jpg", std::string("no picture"));
    folder.write(place + "notes.txt", std::string("passed over"));
  }
  const Outcome outcome = kindling_command(
      {"train", "--data", "folder:" + (folder / "photos"), "--epochs", "2", "--out", folder / "run", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["epochs"] == 2);
  for (const char* file : {"cat/empty.png", "cat/text.jpg", "dog/empty.png", "dog/text.jpg"})
    CHECK_THAT(outcome.err, Contains(file));
}

TEST_CASE("train: a network that died is named, with what to try") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 4, 16);
  const Outcome outcome = kindling_command(
      {"train", "--data", "folder:" + (folder / "data"), "--model", "squeezenet1_1", "--size", "17", "--optimizer",
       "sgd", "--lr", "0", "--conv10-bias", "-5", "--epochs", "210", "--quiet", "--out", folder / "run"});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err,
             Contains("update 200: conv10 is dead") && Contains("Try --norm batch") && Contains("or a smaller --lr"));
}

TEST_CASE("train: preset cifar is the stated recipe") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 24, 32);
  const Outcome outcome = kindling_command({"train", "--preset", "cifar", "--data", "folder:" + (folder / "data"),
                                            "--out", folder / "run", "--epochs", "1"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json config = config_of(folder / "run");
  const json expected = R"({"model": "squeezenet_cifar", "batch_size": 64, "optimizer": "sgd", "momentum": 0.9,
    "nesterov": true, "weight_decay": 0.0005, "schedule": "onecycle", "lr": 0.04, "pct_start": 0.2, "div_factor": 25,
    "final_div_factor": 10000, "drop_last": true, "clip_norm": 1, "crop_padding": 4, "augment": ["pad-crop", "flip"],
    "val_share": 0.05, "form": "torchvision", "size": 32})"_json;
  for (const auto& [key, value] : expected.items()) {
    INFO(key);
    CHECK(config[key] == value);
  }
}

TEST_CASE("train: the first epochs on smaller images") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const auto train = [&](const std::string& run, const std::vector<std::string>& more) {
    return kindling_command(with(small_run(folder / "data", folder / run, {"--model", "squeezenet_cifar"}), more));
  };
  const Outcome early = train("early", {"--early-epochs=2", "--early-size=8"});
  INFO(early.err);
  REQUIRE(early.code == 0);
  CHECK(config_of(folder / "early")["early_size"] == 8);
  REQUIRE(train("all", {}).code == 0);
  CHECK(contents(folder / "early/last.ckpt") != contents(folder / "all/last.ckpt"));

  CHECK_THAT(train("x", {"--early-epochs=2"}).err, Contains("--early-epochs and --early-size go together"));
  CHECK_THAT(train("x", {"--early-epochs=2", "--early-size=7"}).err,
             Contains("--early-size 7: squeezenet_cifar needs at least 8 pixels"));
  const Outcome fixed =
      kindling_command(small_run(folder / "data", folder / "x", {"--early-epochs=2", "--early-size=14"}));
  CHECK(fixed.code == 2);
  CHECK_THAT(fixed.err, Contains("--early-size: lenet takes images of the size that it was made for alone"));
}

TEST_CASE("train: onecycle moves the momentum around --momentum") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const auto last_momentum = [&](const std::string& momentum) {
    const std::string run = folder / momentum;
    REQUIRE(
        kindling_command(small_run(folder / "data", run, {"--schedule", "onecycle", "--momentum", momentum})).code ==
        0);
    const SafetensorsFile checkpoint(run + "/last.ckpt");
    return checkpoint.read(*checkpoint.find("@optimizer/momentum")).item();
  };
  CHECK(last_momentum("0") == 0);
  CHECK_THAT(last_momentum("0.9"), Catch::WithinRel(0.95, 1e-12));  // as in PyTorch
  CHECK_THAT(last_momentum("0.98"), Catch::WithinRel(0.99, 1e-12));
}

TEST_CASE("train: an unknown key of --config is wrong usage") {
  const TemporaryFolder folder;
  write_file(folder / "options.json", R"({"learning_rate": 0.1})");
  const Outcome unknown = kindling_command({"train", "--config", folder / "options.json"});
  CHECK(unknown.code == 2);
  CHECK(unknown.err == "kindling train: " + (folder / "options.json") +
                           ": there is no option \"learning_rate\"\nTry 'kindling train --help'.\n");
  write_file(folder / "options.json", R"({"epochs": 0})");
  const Outcome value = kindling_command({"train", "--config", folder / "options.json"});
  CHECK(value.code == 2);
  CHECK_THAT(value.err, Contains("options.json: --epochs: must be at least 1, not 0"));
  write_file(folder / "options.json", "{epochs: 3}");
  const Outcome damaged = kindling_command({"train", "--config", folder / "options.json"});
  CHECK(damaged.code == 1);
  CHECK_THAT(damaged.err, Contains("options.json: byte 2: is not JSON"));
  write_file(folder / "options.json", R"({"label_smoothing": 1e999})");
  const Outcome huge = kindling_command({"train", "--config", folder / "options.json"});
  CHECK(huge.code == 1);
  CHECK_THAT(huge.err, Contains("options.json: holds a number that is too large"));
}

TEST_CASE("train: a value of --config must be of its option's kind, and some options are for the command line alone") {
  const TemporaryFolder folder;
  struct Mistake {
    std::string json, message;
  };
  for (const Mistake& mistake : std::vector<Mistake>{
           {R"({"epochs": [1, 2]})", "\"epochs\" must be one value, not a list or an object"},
           {R"({"epochs": []})", "\"epochs\" must be one value, not a list or an object"},
           {R"({"weights": {}})", "\"weights\" must be one value, not a list or an object"},
           {R"({"mean": [[1, 2], 3]})", "\"mean\" must be a list of single values"},
           {R"({"augment": {"flip": true}})", "\"augment\" must be a list of single values"},
           {R"({"nesterov": 2})", "\"nesterov\" must be true or false"},
           {R"({"seed": -1})", "--seed: must be a whole number from 0 to 2^64 - 1, not -1"},
           {R"({"resume": "run"})", "\"resume\" can be said on the command line alone, by --resume"},
           {R"({"config": "other.json"})", "\"config\" can be said on the command line alone, by --config"}}) {
    write_file(folder / "options.json", mistake.json);
    const Outcome outcome = kindling_command({"train", "--config", folder / "options.json"});
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains((folder / "options.json") + ": " + mistake.message));
  }
}

TEST_CASE("train: a folder that holds a run is not written over") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::vector<std::string> arguments = small_run(folder / "data", folder / "run", {"--epochs=1"});
  REQUIRE(kindling_command(arguments).code == 0);
  const std::string before = contents(folder / "run/last.ckpt");
  const Outcome again = kindling_command(arguments);
  CHECK(again.code == 1);
  CHECK(again.err == "kindling train: " + (folder / "run") + ": holds a run already: go on with it by --resume " +
                         (folder / "run") + ", or name another folder by --out\n");
  CHECK(contents(folder / "run/last.ckpt") == before);
}

TEST_CASE("train: runs that begin in the same second get folders of their own, a command that fails gets none") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const CommandOptions here{.working_folder = folder.path()};
  const std::vector<std::string> arguments{"train", "--data", "folder:data", "--model", "lenet", "--epochs", "1"};
  CHECK(kindling_command(with(arguments, {"--batch-size", "100"}), here).code == 2);
  CHECK(folder.listing() == "data");

  Command first(arguments, here), second(arguments, here);
  CHECK(first.wait().code == 0);
  CHECK(second.wait().code == 0);
  int runs = 0;
  for (const auto& run : std::filesystem::directory_iterator(folder / "runs")) {
    ++runs;
    CHECK(json_lines(run.path().string() + "/metrics.jsonl").size() == 1);
  }
  CHECK(runs == 2);
}

TEST_CASE("train: the same bytes on one thread and on two") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20, 17);
  for (const std::string threads : {"1", "2"}) {
    const Outcome outcome = kindling_command({"train", "--data", "folder:" + (folder / "data"), "--model",
                                              "squeezenet1_1", "--bypass", "complex", "--epochs", "1", "--batch-size",
                                              "8", "--threads", threads, "--out", folder / ("threads" + threads)});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  }
  CHECK(contents(folder / "threads1/last.ckpt") == contents(folder / "threads2/last.ckpt"));
}

TEST_CASE("train: drawn figures without any option", "[long]") {
  const TemporaryFolder folder;
  const json result = kindling_command({"train", "--out", folder / "run", "--json", "--quiet"}).json();
  CHECK(result["val_top1"].get<double>() > 95);
}

TEST_CASE("eval: takes model and data from the run") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const json trained = kindling_command(small_run(folder / "data", folder / "run", {"--json"})).json();
  const Outcome outcome = kindling_command({"eval", "--weights", folder / "run/best.ckpt", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json result = outcome.json();
  CHECK(result["images"] == 12);  // what training held out
  CHECK(result["top1"].get<double>() > 90);
  CHECK(result["top5"].is_null());
  CHECK(result["loss"].get<double>() > 0);
  CHECK(result["images_per_second"].get<double>() > 0);
  CHECK(trained["best_val_top1"].is_number());

  const json info = kindling_command({"info", "--weights", folder / "run/best.ckpt", "--json"}).json();
  CHECK(info["model"] == "lenet");
  CHECK(info["input_shape"] == std::vector<int64_t>{1, 16, 16, 3});
}

TEST_CASE("eval: validation data of a split folder, with the accuracy that training saw") {
  const TemporaryFolder folder;
  write_images(folder / "data/train", {"blue", "green", "red"}, 20);
  write_images(folder / "data/val", {"blue", "green", "red"}, 5);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run")).code == 0);
  const json result = kindling_command({"eval", "--weights", folder / "run/last.ckpt", "--json"}).json();
  const json last = json_lines(folder / "run/metrics.jsonl").back();
  CHECK(result["images"] == 15);
  CHECK(result["top1"] == last["val_top1"]);
  CHECK_THAT(result["loss"].get<double>(), Catch::WithinRel(last["val_loss"].get<double>(), 1e-6));  // other batches
}

TEST_CASE("eval, info and train take the model from the checkpoint alone, and the command line is above it") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  const std::string spec = "folder:" + (folder / "data");
  REQUIRE(
      kindling_command({"train",  "--data", spec,          "--model", "squeezenet_cifar", "--bypass", "simple",
                        "--norm", "batch",  "--epochs",    "1",       "--batch-size",     "8",        "--size",
                        "20",     "--mean", "100,110,120", "--std",   "50,60,70",         "--out",    folder / "run"})
          .code == 0);
  const json in_run =
      kindling_command({"eval", "--weights", folder / "run/best.ckpt", "--data", spec, "--json"}).json();
  std::filesystem::copy_file(folder / "run/best.ckpt", folder / "alone.ckpt");
  std::filesystem::remove_all(folder / "run");
  // Batches of the same size, which the run's config.json named, so that sums round alike.
  const std::vector<std::string> eval{"eval", "--weights", folder / "alone.ckpt", "--data",
                                      spec,   "--json",    "--batch-size",        "8"};
  const json alone = kindling_command(eval).json();
  CHECK(alone["loss"] == in_run["loss"]);
  CHECK(kindling_command(with(eval, {"--mean", "10,10,10"})).json()["loss"] != alone["loss"]);
  CHECK_THAT(kindling_command(with(eval, {"--norm", "none"})).err, Contains("does not fit the model"));

  const json info = kindling_command({"info", "--weights", folder / "alone.ckpt", "--json"}).json();
  CHECK(info["model"] == "squeezenet_cifar");
  CHECK(info["input_shape"] == std::vector<int64_t>{1, 20, 20, 3});
  CHECK(info["class_names"] == json{"blue", "green", "red"});
  CHECK(info["preprocessing"] == json{{"size", 20}, {"shorter", 20}, {"mean", {100, 110, 120}}, {"std", {50, 60, 70}}});
  CHECK_THAT(kindling_command({"info", "--weights", folder / "alone.ckpt"}).out,
             Contains("classes: blue, green, red\npictures: shorter side to 20 pixels, the middle 20 x 20; mean "
                      "100,110,120, std 50,60,70\n"));

  const Outcome tuned = kindling_command({"train", "--weights", folder / "alone.ckpt", "--data", spec, "--epochs", "1",
                                          "--batch-size", "8", "--lr", "0", "--out", folder / "tuned"});
  INFO(tuned.err);
  CHECK(tuned.code == 0);
  const json config = config_of(folder / "tuned");
  CHECK(config["norm"] == "batch");
  CHECK(config["bypass"] == "simple");
  CHECK(config["size"] == 20);
  CHECK(config["mean"] == json{100, 110, 120});
}

TEST_CASE("eval: weights without a run need to be explained, and classes must be those of the run") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 20);
  REQUIRE(kindling_command(small_run(folder / "data", folder / "run", {"--epochs=1"})).code == 0);
  write_weights_alone(folder / "run/best.ckpt", folder / "weights.safetensors");
  const Outcome unknown = kindling_command({"eval", "--weights", folder / "weights.safetensors"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("--data SPEC is needed"));

  const Outcome explained = kindling_command({"eval", "--weights", folder / "weights.safetensors", "--size", "16",
                                              "--data", "folder:" + (folder / "data"), "--json"});
  INFO(explained.err);
  CHECK(explained.code == 0);
  CHECK(explained.json()["images"] == 60);

  const std::vector<std::string> sizeless{"eval",  "--weights", folder / "weights.safetensors", "--model",
                                          "lenet", "--data",    "folder:" + (folder / "data"),  "--json"};
  CHECK(kindling_command(sizeless).json()["images"] == 60);  // the data's size, as in training
  const Outcome few = kindling_command(with(sizeless, {"--classes", "2"}));
  CHECK(few.code == 2);
  CHECK_THAT(few.err, Contains("--classes 2: the data has 3 classes"));

  write_images(folder / "other", {"green", "red", "yellow"}, 5);
  const Outcome other =
      kindling_command({"eval", "--weights", folder / "run/best.ckpt", "--data", "folder:" + (folder / "other")});
  CHECK(other.code == 1);
  CHECK_THAT(other.err, Contains("are not those of the run (green red yellow here, blue green red there)"));
}

TEST_CASE("train: on so many images, which the run remembers, and what is held out stays so") {
  const TemporaryFolder folder;
  write_images(folder / "photos", {"blue", "green"}, 10);
  const std::string data = "folder:" + folder / "photos";
  const auto train = [&](const std::vector<std::string>& more) {
    return kindling_command(with({"train", "--json", "--threads", "1"}, more));
  };
  const std::vector<std::string> few{"--data", data,         "--model",  "lenet",          "--batch-size",
                                     "2",      "--schedule", "constant", "--train-images", "6"};
  const Outcome first = train(with(few, {"--epochs", "1", "--out", folder / "run"}));
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK(first.json()["steps"] == 3);
  CHECK_THAT(first.err, Contains("6 images of 2 classes, 4 for validation"));
  CHECK(json::parse(contents(folder / "run/config.json"))["train_images"] == 6);

  const Outcome second = train({"--resume", folder / "run", "--epochs", "2"});
  INFO(second.err);
  REQUIRE(second.code == 0);
  CHECK(second.json()["steps"] == 6);
  REQUIRE(train(with(few, {"--epochs", "2", "--out", folder / "whole"})).code == 0);
  CHECK(contents(folder / "run/last.ckpt") == contents(folder / "whole/last.ckpt"));

  const Outcome measured = kindling_command({"eval", "--weights", folder / "run/last.ckpt", "--data", data, "--json"});
  INFO(measured.err);
  REQUIRE(measured.code == 0);
  CHECK(measured.json()["images"] == 4);
  const auto retrained = [&](const std::vector<std::string>& more) {
    const Outcome outcome =
        kindling_command(with({"compress", "--weights", folder / "run/last.ckpt", "--density", "0.5", "--epochs", "1",
                               "--data", data, "--out", folder / "small.kndz", "--json", "--threads", "1"},
                              more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome.json()["steps"];
  };
  CHECK(retrained({}) == retrained({"--train-images", "6"}));  // as the run
  CHECK(retrained({}) != retrained({"--train-images", "0"}));

  const Outcome too_many = train({"--data", data, "--train-images", "17", "--out", folder / "none"});
  CHECK(too_many.code == 2);
  CHECK_THAT(too_many.err, Contains("train-images: 17 is more than the 16 images to train on in " + data));
  const Outcome too_few = train({"--data", data, "--train-images", "1", "--out", folder / "none"});
  CHECK(too_few.code == 2);
  CHECK_THAT(too_few.err, Contains("train-images: 1 is fewer than the 2 classes of " + data));
}
