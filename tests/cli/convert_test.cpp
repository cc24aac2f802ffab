// convert, and weights of other frameworks in eval, classify, info and train.
#include <catch2/catch.hpp>

#include <filesystem>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/models/registry.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

/// A run whose checkpoint knows its classes and pixels.
struct Trained {
  Trained() {
    write_images(folder / "data", {"blue", "green", "red"}, 12);
    const Outcome outcome = kindling_command({"train",
                                              "--data",
                                              "folder:" + (folder / "data"),
                                              "--model",
                                              "squeezenet_cifar",
                                              "--bypass",
                                              "simple",
                                              "--norm",
                                              "batch",
                                              "--epochs",
                                              "2",
                                              "--batch-size",
                                              "6",
                                              "--lr",
                                              "0.02",
                                              "--optimizer",
                                              "sgd",
                                              "--threads",
                                              "1",
                                              "--out",
                                              folder / "run"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    std::filesystem::copy_file(folder / "run/best.ckpt", checkpoint);  // away from config.json
  }
  Outcome convert(const std::string& in, const std::string& out, const std::vector<std::string>& more = {}) const {
    return kindling_command(with({"convert", in, folder / out, "--json"}, more));
  }

  TemporaryFolder folder;
  std::string checkpoint = folder / "alone.ckpt";
};

json eval_of(const std::string& weights, const std::string& data) {
  const Outcome outcome = kindling_command({"eval", "--weights", weights, "--data", "folder:" + data, "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  json result = outcome.json();
  for (const char* key : {"images_per_second", "measured"}) result.erase(key);
  return result;
}

void write_random(const std::string& path, const std::string& model, const ModelOptions& options,
                  std::optional<Naming> naming = {}) {
  Rng rng(3);
  const std::unique_ptr<Module> made = make_model(model, options, rng);
  save(*made, path, Description{}, naming);
}

}  // namespace

TEST_CASE("convert: a trained network goes to every format, says what it is there, and comes back") {
  const Trained trained;
  const std::string other = trained.folder / "other";  // not the folder of the training, so that all of it is measured
  write_images(other, {"blue", "green", "red"}, 7);
  const json before = eval_of(trained.checkpoint, other);
  std::string in = trained.checkpoint;
  for (const auto& [name, format] : std::vector<std::pair<std::string, std::string>>{
           {"a.pth", "PyTorch"}, {"b.caffemodel", "Caffe"}, {"c.npz", "npz"}, {"d.any", "safetensors"}}) {
    const Outcome outcome = trained.convert(in, name);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    const json document = outcome.json();
    CHECK(document["in"] == in);
    CHECK(document["out"] == trained.folder / name);
    CHECK(document["format"] == format);
    CHECK(document["model"] == "squeezenet_cifar");
    CHECK(document["parameters"].get<int64_t>() > 700'000);
    CHECK(document["bytes"] == std::filesystem::file_size(trained.folder / name));
    in = trained.folder / name;
    CHECK(eval_of(in, other) == before);
  }
  const WeightsFile first(trained.checkpoint), last(in);
  for (const StoredTensor& tensor : last.file.tensors)
    for (const StoredTensor& was : first.file.tensors)
      if (was.name == tensor.name) CHECK(bitwise_equal(was.value(), tensor.value()));
}

TEST_CASE("convert: an option without effect is refused, and why is said") {
  const TemporaryFolder folder;
  const std::string known = folder / "x", unknown = folder / "y";
  write_random(known, "lenet", {.classes = 3});
  write_safetensors(unknown, {{"a", Tensor::ones({3})}});
  const auto refusal = [&](const std::string& in, const std::vector<std::string>& option) {
    const Outcome outcome = kindling_command(with({"convert", in, folder / "out"}, option));
    CHECK(outcome.code == 2);
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
    return outcome.err;
  };
  CHECK_THAT(
      refusal(unknown, {"--preprocess", "caffe"}),
      Contains("--preprocess has no effect on " + unknown + ": its tensors are those of no model that is known"));
  const std::string alone = folder / "z";
  write_weights_alone(known, alone);
  CHECK_THAT(refusal(alone, {"--bypass", "none"}),
             Contains("--bypass has no effect on " + alone + ": it is no SqueezeNet"));
  write_safetensors(known, {{"a", Tensor::ones({3})}}, to_metadata({.model = {"squeezenet1_1", {{"form", "caffe"}}}}));
  CHECK_THAT(refusal(known, {"--form", "caffe"}),
             Contains("--form has no effect on " + known + ", which says what model it holds"));
}

TEST_CASE("convert: what leaves several models open must be said") {
  const TemporaryFolder folder;
  write_random(folder / "x.safetensors", "squeezenet1_1", {.classes = 3});
  const Outcome open = kindling_command({"convert", folder / "x.safetensors", folder / "y.pth"});
  CHECK(open.code == 2);
  CHECK_THAT(open.err, Contains("say --bypass none or simple, --model squeezenet1_1 or squeezenet_cifar"));
  CHECK_FALSE(std::filesystem::exists(folder / "y.pth"));
  const Outcome said = kindling_command({"convert", folder / "x.safetensors", folder / "y.pth", "--bypass", "simple",
                                         "--model", "squeezenet_cifar", "--preprocess", "caffe"});
  INFO(said.err);
  CHECK(said.code == 0);
  const WeightsFile written(folder / "y.pth");
  CHECK(written.known->description.model.model == "squeezenet_cifar");
  CHECK(written.known->description.model.options.at("bypass") == "simple");
  CHECK(written.known->description.preprocessing == data::caffe_preprocessing());
  const Outcome renamed = kindling_command({"convert", folder / "y.pth", folder / "z", "--names", "torchvision"});
  CHECK(renamed.code == 0);
  CHECK(WeightsFile(folder / "z").file.tensors[0].name == "features.0.weight");
}

TEST_CASE("convert: the form, which changes paddings, is kept in what is written") {
  const TemporaryFolder folder;
  const std::string weights = folder / "x.safetensors";
  Rng rng(3);
  write_safetensors(weights, named_tensors(*make_model("squeezenet1_0", {.classes = 3}, rng)));
  for (const std::string form : {"torchvision", "caffe"}) {
    const Outcome outcome = kindling_command({"convert", weights, folder / form, "--bypass", "none", "--form", form});
    INFO(outcome.err);
    CHECK(outcome.code == 0);
    CHECK(WeightsFile(folder / form).known->description.model.options.at("form") == form);
  }
}

TEST_CASE("convert: a description may leave out what is as usual") {
  const TemporaryFolder folder;
  Rng rng(3);
  const std::unique_ptr<Module> model = make_model("lenet", {.classes = 3}, rng);
  write_safetensors(folder / "x", named_tensors(*model), to_metadata({.model = {"lenet", {{"classes", "3"}}}}));
  const Outcome outcome = kindling_command({"convert", folder / "x", folder / "y.pth"});
  INFO(outcome.err);
  CHECK(outcome.code == 0);
}

TEST_CASE("convert: tensors of no model that is known keep their names and axes") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x.safetensors", {{"a.weight", Tensor::ones({2, 3, 4, 5})}, {"b", Tensor::ones({3})}});
  const Outcome outcome = kindling_command({"convert", folder / "x.safetensors", folder / "x.pth", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["tensors"] == 2);
  CHECK(outcome.json()["model"] == nullptr);
  const TensorFile read = read_tensor_file(folder / "x.pth");
  CHECK(read.tensors[0].name == "a.weight");
  CHECK(read.tensors[0].shape == Shape{2, 3, 4, 5});
  const Outcome caffe = kindling_command({"convert", folder / "x.safetensors", folder / "x.caffemodel"});
  CHECK(caffe.code == 1);
  CHECK_THAT(caffe.err, Contains("are those of no model that is known"));
}

TEST_CASE("convert: wrong usage") {
  const TemporaryFolder folder;
  write_random(folder / "x", "lenet", {.classes = 3});
  CHECK(kindling_command({"convert", folder / "x"}).code == 2);
  CHECK_THAT(kindling_command({"convert", folder / "x", folder / "x"}).err, Contains("is IN itself"));
  CHECK(kindling_command({"convert", folder / "none", folder / "y"}).code == 1);
  const Outcome prototxt = kindling_command({"convert", folder / "x", folder / "y", "--prototxt", folder / "p"});
  CHECK(prototxt.code == 2);
  CHECK_THAT(prototxt.err, Contains("--prototxt has no effect: ") && Contains(" is no .caffemodel"));
}

TEST_CASE("info: the tensors of a file, in every format") {
  const TemporaryFolder folder;
  for (const std::string name : {"x.pth", "x.caffemodel", "x.npz"}) {
    write_random(folder / name, "squeezenet1_1", {.classes = 3});
    const json info = kindling_command({"info", "--weights", folder / name, "--json"}).json();
    REQUIRE(info["tensors"].size() == 52);
    CHECK(info["tensors"][0]["dtype"] == "F32");
    if (name == "x.npz") continue;  // whose names leave the model open
    CHECK(info["model"] == "squeezenet1_1");
    CHECK(info["tensors"][0]["shape"] == json{64, 3, 3, 3});
    CHECK(info["macs"].get<int64_t>() > 0);
  }
  const json open = kindling_command({"info", "--weights", folder / "x.npz", "--json"}).json();
  CHECK(open["macs"] == nullptr);
  CHECK(open["tensors"][0]["shape"] == json{64, 3, 3, 3});
}

TEST_CASE("eval, classify and train say when they guess the pixels, and --preprocess ends it") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 2, 40);
  write_random(folder / "x.pth", "squeezenet1_1", {.classes = 3});
  const std::vector<std::string> weights_and_data{"--weights", folder / "x.pth", "--data",
                                                  "folder:" + (folder / "data")};
  const std::vector<std::string> eval = with({"eval"}, weights_and_data);
  const std::vector<std::string> classify{"classify", folder / "data/blue", "--weights", folder / "x.pth"};
  const std::vector<std::string> train =
      with({"train", "--epochs", "1", "--batch-size", "2", "--size", "17", "--threads", "1"}, weights_and_data);
  const std::vector<std::string> told{"--preprocess", "torchvision"};
  const auto check_note = [&](const std::vector<std::string>& guessing, const std::vector<std::string>& knowing) {
    const Outcome guess = kindling_command(guessing), knows = kindling_command(knowing);
    CHECK(guess.code == 0);
    CHECK_THAT(guess.err,
               Contains("does not say how a picture becomes an input") && Contains("as torchvision does it"));
    CHECK(knows.code == 0);
    CHECK_THAT(knows.err, !Contains("does not say"));
  };
  check_note(with(train, {"--out", folder / "guessing"}), with(train, {"--out", folder / "knowing", told[0], told[1]}));
  for (const std::vector<std::string>& command : {eval, classify}) {
    check_note(command, with(command, told));
    json guessed = kindling_command(with(command, {"--json"})).json();
    json named = kindling_command(with(command, {"--json", told[0], told[1]})).json();
    for (json* document : {&guessed, &named}) document->erase("images_per_second");
    CHECK(guessed == named);
  }
}

TEST_CASE("train: --partial takes what fits and says what did not") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 6, 20);
  write_random(folder / "x.pth", "squeezenet1_1", {.classes = 9});
  const std::vector<std::string> train{"train",
                                       "--weights",
                                       folder / "x.pth",
                                       "--data",
                                       "folder:" + (folder / "data"),
                                       "--size",
                                       "20",
                                       "--epochs",
                                       "1",
                                       "--batch-size",
                                       "4",
                                       "--threads",
                                       "1",
                                       "--quiet"};
  const Outcome strict = kindling_command(with(train, {"--out", folder / "strict"}));
  CHECK(strict.code == 1);
  CHECK_THAT(strict.err, Contains("conv10/weight: file [9, 1, 1, 512], model [3, 1, 1, 512]"));
  const Outcome partial = kindling_command(with(train, {"--partial", "--out", folder / "partial"}));
  INFO(partial.err);
  CHECK(partial.code == 0);
  CHECK_THAT(partial.err, Contains("conv10/weight: file [9, 1, 1, 512], model [3, 1, 1, 512]"));
}
