// kindling compress: small files that every command reads.
#include <catch2/catch.hpp>

#include <filesystem>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/kndz.h>

#include "option_table.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

using Strings = std::vector<std::string>;

/// LeNet trained a little on coloured pictures.
struct Trained {
  TemporaryFolder folder;
  std::string data = folder / "data", run = folder / "run", weights = folder / "run/last.ckpt",
              small = folder / "s.kndz";

  Trained() {
    write_images(data, {"blue", "green", "red"}, 8);
    const Outcome outcome = kindling_command({"train", "--data", "folder:" + data, "--model", "lenet", "--epochs", "2",
                                              "--batch-size", "8", "--threads", "1", "--out", run});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  }
  json compress(const Strings& more) const {
    const Outcome outcome =
        kindling_command(with({"compress", "--weights", weights, "--out", small, "--threads", "1", "--json"}, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    const json result = outcome.json();
    CHECK(result["bytes"] == std::filesystem::file_size(small));
    return result;
  }
};

int64_t nonzero(const std::string& file, const std::string& tensor) {
  for (const CodedTensor& coded : read_kndz(file).tensors)
    if (coded.name == tensor) return coded.nonzero();
  return -1;
}

/// Share of the weights that are not 0.
double density_in(const std::string& file) {
  int64_t left = 0, all = 0;
  for (const CodedTensor& coded : read_kndz(file).tensors) {
    if (!coded.name.ends_with("/weight")) continue;
    left += coded.nonzero();
    all += coded.shape.numel();
  }
  return static_cast<double>(left) / static_cast<double>(all);
}

}  // namespace

TEST_CASE("compress: a third of the weights in 63 values, retrained with the learning rates of the run") {
  const Trained trained;
  const json result = trained.compress({"--preset", "deep-compression", "--bits", "6", "--epochs", "1", "--data",
                                        "folder:" + trained.data, "--plot", trained.folder / "plot.svg"});
  CHECK(result["density"].get<double>() == Approx(0.33).margin(0.001));
  CHECK(result["ratio"].get<double>() > 9);
  CHECK(result["bits"] == 6);
  REQUIRE(result["steps"].size() == 4);
  CHECK(result["steps"][1]["name"] == "pruned");
  CHECK(result["steps"][2]["name"] == "shared");
  CHECK(result["steps"][3]["name"] == "coded");
  CHECK(result["steps"][3]["bytes"] == result["bytes"]);
  CHECK(result["steps"][3]["top1"] == result["top1_after"]);
  CHECK_THAT(read_file(trained.folder / "plot.svg"), Contains("shared"));
  CHECK(density_in(trained.small) == Approx(0.33).margin(0.001));  // though it was trained after that
  for (const CodedTensor& tensor : read_kndz(trained.small).tensors)
    if (tensor.name.ends_with("/weight")) CHECK(tensor.codebook.size() <= 64);
  const Outcome named =
      kindling_command({"classify", trained.data + "/red", "--weights", trained.small, "--json", "--threads", "1"});
  CHECK(named.code == 0);
  CHECK_THAT(named.out, Contains("\"red\""));
}

TEST_CASE("compress: what has few values already loses nothing, by either coder") {
  const Trained trained;
  trained.compress({"--bits", "5"});  // by kmeans
  const std::string first = trained.folder / "first.kndz", again = trained.folder / "again.kndz";
  std::filesystem::rename(trained.small, first);
  for (const char* coder : {"range", "huffman"}) {
    const Outcome outcome = kindling_command({"compress", "--weights", first, "--method", "kmeans", "--bits", "5",
                                              "--coder", coder, "--out", again, "--json"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    const std::unique_ptr<Module> one = load_model(first), two = load_model(again);
    const auto tensors = named_tensors(*one), others = named_tensors(*two);
    REQUIRE(tensors.size() == others.size());
    for (size_t i = 0; i < tensors.size(); ++i)
      CHECK(tensors[i].value.to_vector<float>() == others[i].value.to_vector<float>());
  }
}

TEST_CASE("convert: what is compressed stays so, and its pixels can be named anew") {
  const OptionData data;
  const std::string small = data / "s.kndz", other = data / "other.kndz";
  const auto run = [&](const std::string& words) {
    const Outcome outcome = kindling_command(data.words(words));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  };
  run("compress --weights @/squeezenet.safetensors --model squeezenet_cifar --method kmeans --bits 4 --out @/s.kndz");
  run("convert @/s.kndz @/other.kndz --preprocess caffe");
  const auto pixels = [](const std::string& path) { return read_description(path).preprocessing; };
  CHECK_FALSE(pixels(small));
  REQUIRE(pixels(other));
  CHECK(pixels(other)->bgr);
  const KndzFile before = read_kndz(small), after = read_kndz(other);
  REQUIRE(before.tensors.size() == after.tensors.size());
  for (size_t i = 0; i < before.tensors.size(); ++i) {
    CHECK(before.tensors[i].codebook == after.tensors[i].codebook);
    CHECK(before.tensors[i].numbers == after.tensors[i].numbers);
  }
}

TEST_CASE("compress: biases and codebooks of 16 bits, and what is measured is the file") {
  const Trained trained;
  const Strings measured{"--method", "kmeans", "--bits", "4", "--data", "folder:" + trained.data};
  const json whole = trained.compress(measured);
  const json half = trained.compress(with(measured, {"--others", "f16"}));
  CHECK(half["bytes"].get<int64_t>() < whole["bytes"].get<int64_t>() - 800);
  for (const CodedTensor& tensor : read_kndz(trained.small).tensors) CHECK(tensor.dtype == "F16");
}

TEST_CASE("compress: by rate and distortion, no larger than was asked for") {
  const Trained trained;
  const Strings trade{"--method", "rate-distortion", "--calibrate", trained.data};
  const json result = trained.compress(with(trade, {"--bytes", "9000", "--tune", "1"}));
  CHECK(result["bytes"].get<int64_t>() <= 9000);
  CHECK(result["bytes"].get<int64_t>() > 5000);
  CHECK(result["steps"][1]["name"] == "rounded");
  const json tuned = trained.compress(with(trade, {"--lambda", "1e-5", "--tune", "2"}));
  const std::string bytes = read_file(trained.small);
  trained.compress(with(trade, {"--lambda", "1e-5", "--tune", "0"}));
  CHECK(read_file(trained.small) != bytes);
  const json smaller = trained.compress(with(trade, {"--lambda", "1e-4"}));
  CHECK(smaller["bytes"].get<int64_t>() < tuned["bytes"].get<int64_t>());
}

TEST_CASE("compress: what is measured is test/ where there is one, also without retraining") {
  const TemporaryFolder folder;
  const std::string data = folder / "data";
  for (const char* part : {"train", "val", "test"}) write_images(data + "/" + part, {"blue", "green"}, 8);
  // val/ is all wrong.
  for (const auto& [from, to] : {std::pair{"blue", "other"}, {"green", "blue"}, {"other", "green"}})
    std::filesystem::rename(data + "/val/" + from, data + "/val/" + to);
  const Outcome training = kindling_command({"train", "--data", "folder:" + data, "--model", "lenet", "--epochs", "4",
                                             "--batch-size", "4", "--out", folder / "run", "--json"});
  INFO(training.err);
  REQUIRE(training.json()["test_top1"] == 100);
  for (const char* epochs : {"0", "1"}) {
    const Outcome outcome =
        kindling_command({"compress", "--weights", folder / "run/last.ckpt", "--data", "folder:" + data, "--bits", "8",
                          "--epochs", epochs, "--out", folder / "small.kndz", "--json"});
    INFO(outcome.err);
    CHECK(outcome.json()["top1_before"] == 100);
  }
}

TEST_CASE("compress: factored layers are named, measured and read again") {
  const OptionData data;
  const Outcome outcome =
      kindling_command(data.words("compress --weights @/lenet.safetensors --svd 0.5 --factor-layers fc1 --data "
                                  "folder:@/flat --out @/s.kndz --json"));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json steps = outcome.json()["steps"];
  REQUIRE(steps.size() == 3);
  CHECK(steps[1]["name"] == "factored");
  CHECK(steps[1]["bytes"].get<int64_t>() < steps[0]["bytes"].get<int64_t>());
  const Outcome eval = kindling_command(data.words("eval --weights @/s.kndz --data folder:@/flat --json"));
  INFO(eval.err);
  REQUIRE(eval.code == 0);
  CHECK(eval.json()["top1"] == outcome.json()["top1_after"]);
}

TEST_CASE("compress: from nothing, by one preset, and again without a second training") {
  const TemporaryFolder folder;
  const std::string data = folder / "data", recipe = folder / "recipe.json", small = folder / "s.kndz";
  write_images(data, {"blue", "green", "red"}, 8);
  write_file(recipe, R"({"model": "squeezenet_cifar", "size": 16, "epochs": 4, "batch_size": 4, "lr": 0.01})");
  const auto compress = [&](const Strings& more) {
    return kindling_command(with({"compress", "--data", "folder:" + data, "--val-share", "0.3", "--train", recipe,
                                  "--preset", "deep-compression", "--threads", "1", "--json", "--out", small},
                                 more));
  };
  const Outcome first = compress({"--model", "lenet", "--epochs", "1"});  // named: not the recipe's
  INFO(first.err);
  REQUIRE(first.code == 0);
  const json result = first.json();
  CHECK(result["weights"] == folder / "s.run/last.ckpt");
  REQUIRE(result["steps"].size() == 4);
  CHECK(result["steps"][0]["name"] == "fp32");
  CHECK(result["steps"][0]["top1"].is_number());
  CHECK(result["density"].get<double>() == Approx(0.33).margin(0.001));
  CHECK(nonzero(small, "fc1/weight") > 0);  // LeNet's
  const std::string bytes = read_file(small), metrics = read_file(folder / "s.run/metrics.jsonl");
  const Outcome again = compress({"--epochs", "1"});
  INFO(again.err);
  REQUIRE(again.code == 0);
  CHECK_THAT(again.err, Contains("s.run is trained already"));
  CHECK(read_file(small) == bytes);
  CHECK(read_file(folder / "s.run/metrics.jsonl") == metrics);
  const Outcome other = compress({"--data", "folder:" + (folder / "other")});
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("s.run holds a run with data \"folder:" + data));
  CHECK_THAT(compress({"--val-share", "0.4"}).err, Contains("s.run holds a run with val_share 0.3, not 0.4"));
  const Outcome share = kindling_command({"compress", "--weights", folder / "s.run/last.ckpt", "--data",
                                          "folder:" + data, "--val-share", "0.1", "--density", "0.5", "--out", small});
  CHECK(share.code == 2);
  CHECK_THAT(share.err, Contains("--val-share: the run has held out its share already"));
  CHECK_THAT(compress({"--model", "squeezenet_cifar"}).err, Contains("s.run holds a run with model \"lenet\""));
}

TEST_CASE("compress: a scan draws what each layer stands, and prunes by it") {
  const Trained trained;
  const std::string drawing = trained.folder / "scan.svg";
  const Outcome scan = kindling_command({"compress", "--weights", trained.weights, "--data", "folder:" + trained.data,
                                         "--scan", drawing, "--most-loss", "100", "--threads", "1", "--json"});
  INFO(scan.err);
  REQUIRE(scan.code == 0);
  CHECK_FALSE(std::filesystem::exists(trained.small));
  CHECK_THAT(read_file(drawing), Contains("fc1"));
  const json layers = scan.json()["sensitivity"]["layers"];
  REQUIRE(layers.size() == 4);
  for (const json& layer : layers) CHECK(layer["proposed_density"] == 0.1);  // whatever it costs
  const json result = trained.compress(
      {"--data", "folder:" + trained.data, "--density", "fc1=0.5,auto", "--most-loss", "100", "--method", "kmeans"});
  CHECK(nonzero(trained.small, "fc1/weight") == 12500);
  CHECK(nonzero(trained.small, "fc2/weight") == 150);  // a tenth of 1,500
  CHECK(result["sensitivity"]["densities"].size() == 9);
}

TEST_CASE("compress: whole filters go, and the small file holds the narrower model") {
  const OptionData data;
  const std::string base =
      "compress --weights @/squeezenet.safetensors --model squeezenet_cifar --out @/s.kndz --json ";
  const Outcome outcome = kindling_command(data.words(base + "--filters 0.5,fire2/expand3x3=0.25"));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const std::unique_ptr<Module> model = load_model(data / "s.kndz");
  const auto filters = [&](const std::string& name) {
    for (const auto& [path, parameter] : model->named_parameters())
      if (path == name) return parameter.size(0);
    return int64_t{-1};
  };
  CHECK(filters("fire2/expand3x3/weight") == 16);
  CHECK(filters("fire2/expand1x1/weight") == 32);
  const double parameters = static_cast<double>(model->parameter_count());
  CHECK(outcome.json()["ratio"].get<double>() > 4 * parameters / outcome.json()["bytes"].get<double>());
}

TEST_CASE("train: a model with fewer filters or factored layers goes on from its checkpoint") {
  const OptionData data;
  const auto run = [&](const std::string& words) {
    const Outcome outcome = kindling_command(data.words(words));
    INFO(words << '\n' << outcome.err);
    REQUIRE(outcome.code == 0);
  };
  for (const std::string smaller : {"--filters 0.5", "--svd 0.8"}) {
    const std::string name = smaller.substr(2, 3);
    run("compress --weights @/squeezenet.safetensors --model squeezenet_cifar --out @/" + name + ".kndz " + smaller);
    const std::string train =
        "train --threads 1 --size 16 --batch-size 4 --schedule constant --data folder:@/split "
        "--weights @/" +
        name + ".kndz --out @/" + name;
    run(train + "-straight --epochs 2");
    run(train + "-resumed --epochs 1");
    run("train --resume @/" + name + "-resumed --epochs 2");
    CHECK(read_file(data / (name + "-resumed/last.ckpt")) == read_file(data / (name + "-straight/last.ckpt")));
  }
}

TEST_CASE("compress: pruned weights grow again when they are let") {
  const Trained trained;
  const Strings retrained{"--data", "folder:" + trained.data, "--epochs", "2", "--lr", "0.01"};
  const json sparse = trained.compress(with(retrained, {"--density", "0.5"}));
  CHECK(sparse["density"].get<double>() == Approx(0.5).margin(0.001));
  const json dense = trained.compress(with(retrained, {"--preset", "dense-sparse-dense"}));
  CHECK(dense["density"].get<double>() > 0.99);
  REQUIRE(dense["steps"].size() == 4);
  CHECK(dense["steps"][2]["name"] == "dense again");
}

TEST_CASE("compress: weights are pruned while the model is retrained") {
  const Trained trained;
  const json result =
      trained.compress({"--data", "folder:" + trained.data, "--density", "0.25", "--gradual", "--epochs", "10"});
  CHECK(result["density"].get<double>() == Approx(0.25).margin(0.001));
  const std::string bytes = read_file(trained.small);
  trained.compress({"--data", "folder:" + trained.data, "--density", "0.25", "--epochs", "10"});
  CHECK(read_file(trained.small) != bytes);
  const Outcome few = kindling_command({"compress", "--weights", trained.weights, "--data", "folder:" + trained.data,
                                        "--out", trained.small, "--density", "0.25", "--gradual", "--epochs", "1"});
  CHECK(few.code == 2);
  CHECK_THAT(few.err, Contains("--gradual needs at least 20 updates"));
}

TEST_CASE("compress: what is wrong is said before anything begins") {
  const OptionData data;
  const auto check = [&](const std::string& words, const std::string& message) {
    const Outcome outcome = kindling_command(data.words("compress " + words));
    INFO(words);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK_FALSE(std::filesystem::exists(data / "s.kndz"));
  };
  const std::string lenet = "--weights @/lenet.safetensors --out @/s.kndz ";
  check("--out @/s.kndz --train nothing", "--train nothing: is neither a file nor a preset of kindling train");
  check("--train shapes", "--out FILE.kndz is needed");
  check(lenet + "--density auto", "--density auto needs --data");
  check(lenet + "--scan @/scan.svg", "--scan needs --data");
  check(lenet + "--filters 0", "--filters 0: a density is above 0 and at most 1");
  check(lenet + "--regrow --density 0.5", "--regrow needs --data SPEC and --epochs N");
  check(lenet + "--preset dense-sparse-dense", "--regrow needs --data SPEC and --epochs N");
  check(lenet + "--overall --density fc1=0.5", "--overall has no effect without a density for all layers");
  check(lenet + "--method kmeans --bits 9", "--bits 9: a weight has 2 to 8 bits");
  check(lenet + "--density 0.5 --coder huffman", "--coder has no effect with --method none");
  check(lenet + "--svd 0.5 --svd-weights 0.5", "--svd and --svd-weights both say how small factored layers become");
  check(lenet + "--svd-weights 0.5 --method uniform", "--svd-weights has no effect with --method uniform");
  check(lenet + "--factor-layers fc1", "--factor-layers has no effect without --svd or --svd-weights");
  check("--out @/s.kndz --method kmeans", "--weights FILE is needed, or --data SPEC");
  check(lenet + "--train shapes", "--train has no effect beside --weights");
  check("--weights @/lenet.safetensors", "--out FILE.kndz is needed");
  check("--weights @/lenet.safetensors --out @/s.pth", "--out FILE.kndz is needed");
  check(lenet + "--method rate-distortion", "needs --calibrate FOLDER");
  check(lenet + "--density 0.5 --epochs 1", "--epochs needs --data SPEC");
  check(lenet + "--epochs 1 --data folder:@/flat", "--epochs has no effect as nothing is retrained");
  check(lenet + "--density 1.5", "a density is above 0 and at most 1");
  check(lenet + "--density fc1=x", "a density is above 0 and at most 1");
  check(lenet + "--plot @/plot.svg", "--plot needs --data");
  check(lenet + "--method none --bits 4", "--bits has no effect with --method none");
}

TEST_CASE("compress: a folder or gnuplot that is not there is missed before the work begins") {
  const OptionData data;
  const Outcome outcome =
      kindling_command(data.words("compress --weights @/lenet.safetensors --method kmeans --out @/no/s.kndz"));
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Contains("s.kndz: there is no folder " + (data / "no")));
  const Outcome drawing =
      kindling_command(data.words("compress --weights @/lenet.safetensors --method kmeans --out @/s.kndz --data "
                                  "folder:@/flat --plot @/plot.svg"),
                       {.environment = {{"PATH", data / "nothing"}}});
  CHECK(drawing.code == 1);
  CHECK_THAT(drawing.err, Contains("gnuplot cannot be run: is it installed"));
  CHECK_FALSE(std::filesystem::exists(data / "s.kndz"));
}

TEST_CASE("compress: --svd-weights leaves at most that share of a layer's weights") {
  const OptionData data;
  const Outcome outcome = kindling_command(data.words(
      "compress --weights @/shapes.safetensors --svd-weights 0.25 --factor-layers fc1 --out @/s.kndz --json"));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const json result = outcome.json();
  int64_t factored = 0;
  for (const json& tensor : result["tensors"])
    if (tensor["name"] == "fc1/0/weight" || tensor["name"] == "fc1/1/weight")
      factored += tensor["elements"].get<int64_t>();
  const int64_t dense = 500 * 1250;
  CHECK(factored <= dense / 4);
  CHECK(factored > dense / 4 - (500 + 1250));  // of the next rank
}

TEST_CASE("compress: --calibrate takes training images of a data set, and not those that the run held out") {
  const OptionData data;
  const auto pictures = [&](const std::string& words) {
    const Outcome outcome =
        kindling_command(data.words("compress --density 0.5 --out @/s.kndz --json --calibrate " + words));
    INFO(words << ": " << outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome.json()["agreement"]["images"].get<int64_t>();
  };
  const std::string weights = " --preprocess torchvision --size 32 --weights @/shapes.safetensors";
  CHECK(pictures("shapes" + weights) == 1'500);        // of 10,000
  CHECK(pictures("cifar10:@/cifar" + weights) == 19);  // of 20, of which one is held out
  CHECK(pictures("folder:@/split" + weights) == 12);   // of train/ alone
  CHECK(pictures("folder:@/flat" + weights + " --val-share 0.5") == 12);
  CHECK(pictures("@/flat" + weights) == 24);  // a folder of pictures
  const Outcome run = kindling_command(data.words(
      "train --data folder:@/flat --val-share 0.75 --model lenet --batch-size 2 --epochs 1 --quiet --out @/run"));
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(pictures("folder:@/flat --weights @/run/last.ckpt") == 6);
}

TEST_CASE("options of compress: each has its effect and its row") {
  using enum Expect;
  const std::string command =
      "compress --json --threads 1 --out @/small.kndz --weights @/lenet.safetensors --model lenet --size 16 --classes "
      "3";
  const std::string squeezenet = "--weights @/squeezenet.safetensors --model squeezenet_cifar ";
  const std::string retrain = "--data folder:@/flat --density 0.5 --epochs 1 ";
  const std::string trade = "--method rate-distortion --calibrate @/flat --preprocess torchvision ";
  std::vector<OptionRow> rows{
      {"help", "", "", "usage_test", elsewhere},
      {"version", "", "", "usage_test", elsewhere},
      {"json", "", "", "the rows of this table read it", elsewhere},
      {"quiet", "", "--quiet", "", same},
      {"threads", "--threads 1", "--threads 3", retrain, same},
      {"seed", "--seed 1", "--seed 2", retrain, other_figures},
      {"preset", "", "--preset deep-compression", "", other_figures},
      {"train", "", "", "compress_test", elsewhere},
      {"train", "", "--train shapes", "", refused},
      {"out", "", "", "compress_test", elsewhere},
      {"svd", "", "--svd 0.5", "", other_figures},
      {"factor-layers", "--factor-layers fc1", "--factor-layers fc2", "--svd 0.5", other_figures},
      {"factor-layers", "--factor-layers fc1", "--factor-layers fc2", "--svd-weights 0.5", other_figures},
      {"factor-layers", "", "--factor-layers fc1", "", refused},
      {"svd-weights", "--svd-weights 0.25", "--svd-weights 0.5", "", other_figures},
      {"svd-weights", "", "--svd-weights 0", "", same},
      {"density", "--density 0.5", "--density 0.5,fc2=0.2", "", other_figures},
      {"overall", "--no-overall", "--overall", "--density 0.5", other_figures},
      {"overall", "", "--overall", "", refused},
      {"gradual", "", "", "compress_test", elsewhere},
      {"gradual", "", "--gradual", "--density 0.5", refused},
      {"regrow", "--no-regrow", "--regrow", retrain, other_figures},
      {"filters", "--filters 0.75", "--filters 0.5", squeezenet, other_figures},
      {"scan", "", "--scan @/scan.svg", "--data folder:@/flat", other_figures},
      {"most-loss", "--most-loss 0", "--most-loss 100", "--data folder:@/flat --density auto", other_figures},
      {"most-loss", "", "--most-loss 2", "", refused},
      {"method", "--method none", "--method kmeans", "", other_figures},
      {"bits", "--bits 4", "--bits 6", "--method kmeans", other_figures},
      {"bits", "--bits 4", "--bits 4,fc1=6", "--method kmeans", other_figures},
      {"bits", "", "--bits 6", "", other_figures},
      {"bits", "", "--bits 6", "--method none", refused},
      {"calibrate", "--calibrate @/flat", "--calibrate @/damaged", trade, other_figures},
      {"calibrate", "--calibrate @/flat", "--calibrate folder:@/flat", trade, other_figures},
      {"bytes", "--bytes 90000", "--bytes 60000", trade, other_figures},
      {"lambda", "--lambda 1e-6", "--lambda 1e-4", trade, other_figures},
      {"lambda", "", "--lambda 1e-4", trade + "--bytes 60000", refused},
      {"tune", "", "", "compress_test", elsewhere},
      {"coder", "--coder range", "--coder huffman", "--method kmeans", other_figures},
      {"others", "--others f32", "--others bf16", "--method kmeans", other_figures},
      {"others", "", "--others f16", trade, refused},
      {"epochs", "--epochs 1", "--epochs 2", "--data folder:@/flat --density 0.5", other_figures},
      {"lr", "--lr 0.001", "--lr 0.1", retrain, other_figures},
      {"lr", "", "--lr 0.1", "", refused},
      {"plot", "", "", "compress_test", elsewhere},
      {"model", "--model lenet", "--model squeezenet_cifar", "", refused},
      {"bypass", "--bypass none", "--bypass simple", squeezenet + "--data folder:@/flat", other_figures},
      {"norm", "--norm none", "--norm batch", squeezenet, refused},
      {"dropout", "--dropout 0", "--dropout 0.5", squeezenet + retrain, other_figures},
      {"form", "", "", "measure_options_test", elsewhere},
      {"classes", "--classes 3", "--classes 5", "", refused},
      {"size", "--size 16", "--size 20", squeezenet + "--data folder:@/flat", other_figures},
      {"weights", "", "--weights @/other.safetensors", "--method kmeans", other_figures},
      {"prototxt", "", "", "convert_test", elsewhere},
      {"partial", "--partial", "--no-partial", "--classes 4", refused},
      {"conv", "--conv auto", "--conv naive", squeezenet + "--data folder:@/flat", other_bits},
      {"data", "", "--data folder:@/flat", "", other_figures},
      {"labels", "", "--labels @/labels.txt", "--data folder:@/flat", other_figures},
      {"val-share", "--val-share 0.2", "--val-share 0.5", retrain + "--data folder:@/unsplit", other_figures},
      {"train-images", "--train-images 6", "--train-images 12", retrain, other_figures},
      {"train-images", "", "--train-images 6", "--data folder:@/flat --density 0.5", refused},
      {"workers", "--workers 0", "--workers 3", retrain, same},
      {"strict", "", "--strict", "--data folder:@/damaged", refused},
      {"max-pixels", "--max-pixels 256", "--max-pixels 255", "--data folder:@/flat", refused},
      {"preprocess", "--preprocess torchvision", "--preprocess caffe", squeezenet + "--data folder:@/flat",
       other_figures},
      {"mean", "--mean 127.5,127.5,127.5", "--mean 100,127.5,127.5", "--data folder:@/flat", other_figures},
      {"std", "--std 64,64,64", "--std 64,64,32", "--data folder:@/flat", other_figures},
  };
  for (OptionRow& row : family_rows(squeezenet + "--data folder:@/flat", refused, other_figures))
    rows.push_back(std::move(row));
  check_options(command, rows);
  check_complete("compress", rows);
}
