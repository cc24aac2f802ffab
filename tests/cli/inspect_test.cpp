// info, gradcheck, doctor, graph and bench.
#include <catch2/catch.hpp>

#include <set>

#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/models/definition.h>
#include <kindling/tensor/kernels/parallel.h>

#include "command.h"

using namespace kindling;
using namespace kindling::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;

TEST_CASE("info: Table 1 of the SqueezeNet paper", "[model]") {
  const json info = kindling_command({"info", "--model", "squeezenet1_0", "--size", "227", "--json"}).json();
  CHECK(info["parameters"] == 1'248'424);
  CHECK(info["bytes"] == 4 * 1'248'424);
  struct Row {
    std::string name;
    std::vector<int64_t> shape;
    int64_t parameters;
  };
  const std::vector<Row> table{{"conv1", {1, 111, 111, 96}, 14'208}, {"maxpool1", {1, 55, 55, 96}, 0},
                               {"fire2", {1, 55, 55, 128}, 11'920},  {"fire3", {1, 55, 55, 128}, 12'432},
                               {"fire4", {1, 55, 55, 256}, 45'344},  {"maxpool4", {1, 27, 27, 256}, 0},
                               {"fire5", {1, 27, 27, 256}, 49'440},  {"fire6", {1, 27, 27, 384}, 104'880},
                               {"fire7", {1, 27, 27, 384}, 111'024}, {"fire8", {1, 27, 27, 512}, 188'992},
                               {"maxpool8", {1, 13, 13, 512}, 0},    {"fire9", {1, 13, 13, 512}, 197'184},
                               {"dropout9", {1, 13, 13, 512}, 0},    {"conv10", {1, 13, 13, 1000}, 513'000},
                               {"avgpool10", {1, 1000}, 0}};
  REQUIRE(info["layers"].size() == table.size());
  int64_t macs = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    const json& layer = info["layers"][i];
    INFO(layer);
    CHECK(layer["name"] == table[i].name);
    CHECK(layer["output_shape"] == table[i].shape);
    CHECK(layer["parameters"] == table[i].parameters);
    macs += layer["macs"].get<int64_t>();
  }
  CHECK(info["macs"] == macs);
  const json& parts = info["layers"][2]["parts"];
  REQUIRE(parts.size() == 3);
  CHECK(parts[2]["name"] == "fire2/expand3x3");
  CHECK(parts[2]["kind"] == "Conv2d");
  CHECK(parts[2]["output_shape"] == std::vector<int64_t>{1, 55, 55, 64});

  const Outcome text = kindling_command({"info", "--model", "squeezenet1_0", "--size", "227"});
  CHECK(text.code == 0);
  CHECK_THAT(text.out, Contains("conv1        Conv2d         111 x 111 x 96      14,208") &&
                           Contains("  expand3x3  Conv2d           55 x 55 x 64       9,280") &&
                           Contains("squeezenet1_0: 1,248,424 parameters, 4.99 MB"));
}

TEST_CASE("info: parameters and multiply-accumulates of every published model", "[model]") {
  struct Case {
    std::vector<std::string> options;
    int64_t parameters;
    double macs;  // in millions, rounded to tenths
  };
  for (const Case& c : std::vector<Case>{{{"--model", "squeezenet1_0", "--form", "caffe"}, 1'248'424, 861.3},
                                         {{"--model", "squeezenet1_1", "--form", "caffe"}, 1'235'496, 387.7},
                                         {{"--model", "squeezenet1_0"}, 1'248'424, 818.9},
                                         {{"--model", "squeezenet1_1"}, 1'235'496, 349.2},
                                         {{"--model", "squeezenet1_0", "--bypass", "simple"}, 1'248'424, 818.9},
                                         {{"--model", "squeezenet1_0", "--bypass", "complex"}, 1'589'672, 0},
                                         {{"--model", "squeezenet1_1", "--bypass", "complex"}, 1'572'648, 0},
                                         {{"--model", "alexnet", "--form", "caffe"}, 60'965'224, 0},
                                         {{"--model", "alexnet"}, 61'100'840, 0},
                                         {{"--model", "lenet"}, 431'080, 0}}) {
    std::vector<std::string> arguments{"info", "--json"};
    arguments.insert(arguments.end(), c.options.begin(), c.options.end());
    const json info = kindling_command(arguments).json();
    INFO(json(c.options));
    CHECK(info["parameters"] == c.parameters);
    if (c.macs > 0) CHECK(std::round(info["macs"].get<double>() / 1e5) / 10 == c.macs);
  }
}

TEST_CASE("info: running statistics in a file of weights are no parameters") {
  const TemporaryFolder folder;
  write_images(folder / "data", {"blue", "green", "red"}, 4);
  const std::vector<std::string> model{"--model", "squeezenet_cifar", "--norm", "batch", "--classes", "3"};
  const std::vector<std::string> train{
      "train", "--data", "folder:" + (folder / "data"), "--epochs", "1", "--out", folder / "run", "--batch-size", "4"};
  REQUIRE(kindling_command(with(train, model)).code == 0);
  write_weights_alone(folder / "run/last.ckpt", folder / "weights.safetensors");
  const json file = kindling_command({"info", "--weights", folder / "weights.safetensors", "--json"}).json();
  const json whole = kindling_command(with({"info", "--json"}, model)).json();
  CHECK(file["parameters"] == whole["parameters"]);
  CHECK(file["bytes"] == whole["bytes"]);
}

TEST_CASE("info: a file whose bytes have changed is damaged, wherever that is") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  write_safetensors(path, {{"a", Tensor::ones({2})}, {"@optimizer/a", Tensor::ones({2})}});
  CHECK(kindling_command({"info", "--weights", path}).code == 0);
  std::string bytes = contents(path);
  bytes.back() ^= 1;
  write_file(path, bytes);
  const Outcome damaged = kindling_command({"info", "--weights", path});
  CHECK(damaged.code == 1);
  CHECK_THAT(damaged.err, Contains(path + ": byte ") && Contains("tensor \"@optimizer/a\": its checksum is wrong"));
}

TEST_CASE("gradcheck: one operation, all of its rows") {
  const json report = kindling_command({"gradcheck", "--op", "relu", "--order", "2", "--json"}).json();
  CHECK(report["checked"].get<size_t>() == report["results"].size());
  CHECK(report["checked"] >= 1);
  CHECK(report["failed"] == 0);
  CHECK(report["order"] == 2);
  CHECK(report["worst"]["error"].is_number());
  CHECK_THAT(report["worst"]["name"].get<std::string>(), StartsWith("relu"));
}

TEST_CASE("gradcheck: every operation of the table, to second order", "[grad]") {
  const Outcome outcome = kindling_command({"gradcheck", "--all", "--order", "2", "--json"});
  CHECK(outcome.code == 0);
  const json report = outcome.json();
  CHECK(report["failed"] == 0);
  std::set<std::string> ops;
  for (const json& row : report["results"]) {
    const std::string name = row["name"];
    ops.insert(name.substr(0, name.find(' ')));
  }
  for (const std::string op : {"conv2d", "conv2d_input_grad", "conv2d_weight_grad", "matmul", "max_pool2d", "softmax",
                               "cross_entropy", "batch_norm", "local_response_norm", "gather", "concat"})
    CHECK(ops.contains(op));
}

TEST_CASE("gradcheck: a row that is wrong or throws is named and counted, and the rows behind it are checked") {
  const CommandOptions planted{.program = KINDLING_WRONG_GRADIENTS};
  const Outcome outcome = kindling_command({"gradcheck", "--all", "--json"}, planted);
  CHECK(outcome.code == 1);
  const json report = outcome.json();
  CHECK(report["checked"] == 4);
  CHECK(report["failed"] == 2);
  CHECK(report["worst"]["name"] == "throws (planted)");
  std::string rows;
  for (const json& row : report["results"]) rows += row["ok"] == true ? "ok " : "FAILED ";
  CHECK(rows == "ok FAILED FAILED ok ");
  CHECK_THAT(report["results"][1]["message"].get<std::string>(), StartsWith("gradient of input 0 at "));
  CHECK(report["results"][2]["message"] == "throws: no gradient today");

  const Outcome printed = kindling_command({"gradcheck", "--all"}, planted);
  CHECK(printed.code == 1);
  CHECK_THAT(printed.out, Contains("FAILED  wrong (planted)") && Contains("FAILED  throws (planted)") &&
                              Contains("ok      last (planted)") && Contains("4 checked to order 1, 2 failed; worst"));
  CHECK(kindling_command({"gradcheck", "--op", "wrong"}, planted).code == 1);
  CHECK(kindling_command({"gradcheck", "--op", "throws"}, planted).code == 1);
  CHECK(kindling_command({"gradcheck", "--op", "right"}, planted).code == 0);
}

TEST_CASE("gradcheck: the parameters of a model", "[grad]") {
  const Outcome outcome = kindling_command({"gradcheck", "--model", "lenet", "--size", "16", "--json"});
  CHECK(outcome.code == 0);
  const json report = outcome.json();
  CHECK(report["checked"] == 1);
  CHECK(report["failed"] == 0);
  CHECK(report["worst"]["name"] == "lenet");
}

TEST_CASE("doctor: proves the numbers on this machine") {
  const Outcome outcome = kindling_command({"doctor", "--json", "--threads", "2"});
  CHECK(outcome.code == 0);
  const json report = outcome.json();
  for (const char* key : {"cpu", "isa", "blas", "blas_core"}) CHECK_FALSE(report[key].get<std::string>().empty());
  CHECK(report["threads"] == 2);
  CHECK(report["fma_peak_gflops_one_thread"] > 0.0);
  CHECK(report["fma_peak_gflops"] > 0.0);
  CHECK(report["checks"].size() >= 10);
  for (const json& check : report["checks"]) {
    INFO(check);
    CHECK(check["ok"] == true);
  }
}

TEST_CASE("doctor: OpenBLAS has kernels for this processor, or is said to have none") {
  // "": as if it were not set, so the program chooses.
  const json chosen = kindling_command({"doctor", "--json"}, {.environment = {{"OPENBLAS_CORETYPE", ""}}}).json();
  CHECK(chosen["blas_advice"].is_null());
  if (chosen["best_isa"] == "baseline") return;
  const std::set<std::string> fast{"Haswell",  "Zen",        "Excavator",     "Steamroller",
                                   "SkylakeX", "Cooperlake", "SapphireRapids"};
  INFO(chosen);
  CHECK(fast.contains(chosen["blas_core"].get<std::string>()));
  for (const auto& check : chosen["checks"]) CHECK(check["ok"] == true);

  const CommandOptions old{.environment = {{"OPENBLAS_CORETYPE", "Prescott"}}};  // what the user has set stays
  const std::string advice = "OpenBLAS computes with its kernels for Prescott here";
  CHECK_THAT(kindling_command({"doctor", "--json"}, old).json()["blas_advice"].get<std::string>(), Contains(advice));
  CHECK_THAT(kindling_command({"doctor"}, old).out, Contains(advice) && Contains("OPENBLAS_CORETYPE="));
  CHECK_THAT(kindling_command({"bench", "gemm", "--m", "8", "--n", "8", "--k", "8", "--steps", "1"}, old).err,
             Contains("note: " + advice));
}

TEST_CASE("doctor: says what the environment has chosen, and that threads do not add up") {
  const std::string text =
      kindling_command({"doctor"}, {.environment = {{"OMP_NUM_THREADS", "1"}, {"OPENBLAS_CORETYPE", "Prescott"}}}).out;
  CHECK_THAT(text, Contains("threads          1 (by OMP_NUM_THREADS)\n") &&
                       Contains("BLAS kernels     Prescott (by OPENBLAS_CORETYPE)\n") &&
                       Contains("GFLOP/s on one thread\n"));
  const std::string many = std::to_string(8 * num_processors());
  const Outcome crowded = kindling_command({"doctor", "--threads", many});
  CHECK_THAT(crowded.out, Contains("threads          " + many + "\n") && Contains(many + " threads do") &&
                              Contains("Fewer --threads may be as fast"));
  CHECK_THAT(crowded.err, StartsWith("note: " + many + " threads on "));
}

TEST_CASE("doctor: on every instruction set") {
  for (const std::string isa : {"baseline", "avx2", "avx512"}) {
    const Outcome outcome = kindling_command({"doctor", "--json"}, {.environment = {{"KINDLING_ISA", isa}}});
    if (outcome.code == 1 && outcome.err.find("this processor lacks") != std::string::npos) continue;
    CHECK(outcome.code == 0);
    CHECK(outcome.json()["isa"] == isa);
  }
  const Outcome unknown = kindling_command({"doctor"}, {.environment = {{"KINDLING_ISA", "mmx"}}});
  CHECK(unknown.code == 1);
  CHECK(unknown.err == "kindling doctor: isa: KINDLING_ISA is \"mmx\"; use baseline, avx2 or avx512\n");
}

TEST_CASE("graph: a model's layers, with the sums of its bypasses", "[model]") {
  const Outcome outcome = kindling_command({"graph", "--model", "squeezenet1_1", "--bypass", "simple", "--size", "32"});
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith("digraph model {") && Contains("label=\"image\\n[1, 32, 32, 3]\"") &&
                              Contains("label=\"fire9\\nFire\\n") && !Contains("expand3x3"));
  size_t sums = 0;
  for (size_t at = 0; (at = outcome.out.find("label=\"add", at)) != std::string::npos; ++at) ++sums;
  CHECK(sums == 4);

  const Outcome opened = kindling_command({"graph", "--model", "squeezenet1_1", "--size", "32", "--depth", "2"});
  CHECK_THAT(opened.out, Contains("subgraph \"cluster_fire2\"") && Contains("label=\"fire2/expand3x3\\nConv2d"));
}

TEST_CASE("graph: the help says what draws it") {
  CHECK_THAT(kindling_command({"graph", "--help"}).out, Contains("package graphviz"));
}

TEST_CASE("graph: the autograd graph") {
  const Outcome outcome = kindling_command({"graph", "--model", "lenet", "--autograd"});
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith("digraph autograd {") && Contains("label=\"conv1/weight\\n[20, 5, 5, 1]\""));
  const Outcome as_json = kindling_command({"graph", "--model", "lenet", "--autograd", "--json"});
  CHECK(as_json.json()["dot"] == outcome.out);
}

TEST_CASE("bench: train and infer report speed, peak and machine") {
  for (const std::string what : {"train", "infer"}) {
    const json report = kindling_command({"bench", what, "--model", "squeezenet_cifar", "--batch-size", "4", "--steps",
                                          "2", "--layers", "--threads", "2", "--json"})
                            .json();
    INFO(report);
    for (const char* key : {"images_per_second", "ms_per_step", "fma_peak_gflops", "fraction_of_peak", "peak_rss_mb"})
      CHECK(report[key].get<double>() > 0);
    CHECK(report["fraction_of_peak"] < 1.0);
    CHECK(report["threads"] == 2);
    CHECK(report["isa"].is_string());
    std::set<std::string> passes;
    for (const json& row : report["layers"]) {
      if (row["name"] == "fire2/squeeze") passes.insert(row["pass"].get<std::string>());
      if (row["name"] == "fire2/expand3x3") CHECK(row["method"] == "winograd 4x4");
      if (row["kind"] == "MaxPool2d") CHECK(row["method"].is_null());
    }
    CHECK(passes == (what == "train" ? std::set<std::string>{"forward", "input gradient", "weight gradient"}
                                     : std::set<std::string>{"forward"}));
  }
}

TEST_CASE("bench: the work of a training step is counted without conv1's input gradient") {
  const json report = kindling_command({"bench", "train", "--model", "squeezenet1_1", "--size", "32", "--batch-size",
                                        "1", "--steps", "1", "--json"})
                          .json();
  const json info = kindling_command({"info", "--model", "squeezenet1_1", "--size", "32", "--json"}).json();
  const double macs = info["macs"], conv1 = info["layers"][0]["macs"];
  CHECK_THAT(report["gflop_per_image"].get<double>(), Catch::WithinRel(2e-9 * (3 * macs - conv1), 1e-12));
}

TEST_CASE("bench: gemm and conv check before they time") {
  const json gemm =
      kindling_command({"bench", "gemm", "--m", "65", "--n", "33", "--k", "17", "--steps", "2", "--json"}).json();
  REQUIRE(gemm["results"].size() == 3);
  CHECK(gemm["results"][0]["algorithm"] == "kindling");
  CHECK(gemm["results"][1]["algorithm"] == "openblas");
  CHECK(gemm["results"][2]["algorithm"] == "naive");

  const json conv = kindling_command({"bench", "conv", "--channels", "8", "--filters", "12", "--size", "9", "--padding",
                                      "1", "--batch-size", "2", "--steps", "2", "--json"})
                        .json();
  REQUIRE(conv["results"].size() == 12);  // three passes by four algorithms
  for (const json& row : conv["results"]) CHECK(row["error"].get<double>() < 1e-5);
  for (const char* key : {"images_per_second", "ms_per_step", "fma_peak_gflops", "fraction_of_peak", "peak_rss_mb"})
    CHECK(conv[key].get<double>() > 0);
}

TEST_CASE("info: descriptions of pictures in their own size, and ones that make no sense") {
  const TemporaryFolder folder;
  Rng rng(1);
  const auto model = make_model("squeezenet_cifar", {.classes = 2}, rng);
  const std::string file = folder / "model.safetensors";
  const auto info = [&](const Description& description) {
    write_safetensors(file, named_tensors(*model), to_metadata(description));
    return kindling_command({"info", "--weights", file});
  };
  Description description{.model = model->definition(), .preprocessing = data::Preprocessing{}};
  const Outcome own_size = info(description);
  CHECK(own_size.code == 0);
  CHECK_THAT(own_size.out, Contains("pictures: in their own size; mean 127.5, std 63.75\n"));

  description.preprocessing->mean = description.preprocessing->std = {1, 2};
  const Outcome two_means = info(description);
  CHECK(two_means.code == 1);
  CHECK_THAT(two_means.err, Contains(file + ": what it says of pictures: the mean and std of 2 channels"));

  description.model.options["bypass"] = "none of these";
  const Outcome unknown = info(description);
  CHECK(unknown.code == 1);
  CHECK_THAT(unknown.err, Contains(file + ": what it says of its model: "));
}

TEST_CASE("info: a config.json without channels leaves those of the model") {
  const TemporaryFolder folder;
  Rng rng(1);
  save(*make_model("squeezenet_cifar", {.classes = 2}, rng), folder / "weights.safetensors");
  write_file(folder / "config.json", R"({"model": "squeezenet_cifar", "classes": 2})");
  const Outcome outcome = kindling_command({"info", "--weights", folder / "weights.safetensors", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json()["input_shape"].back() == 3);
}

TEST_CASE("info: the family of the paper's Figure 3 has its parameters", "[model]") {
  const auto parameters = [](const std::string& ratio, const std::string& share) {
    const Outcome outcome = kindling_command(
        {"info", "--model", "squeezenet1_0", "--squeeze-ratio", ratio, "--pct3x3", share, "--size", "21", "--json"});
    INFO(outcome.err);
    return outcome.json()["parameters"].get<int64_t>();
  };
  const std::map<std::string, int64_t> by_ratio{
      {"0.125", 1'248'424}, {"0.25", 1'967'080}, {"0.5", 3'404'392}, {"0.75", 4'841'704}, {"1", 6'279'016}};
  for (const auto& [ratio, count] : by_ratio) CHECK(parameters(ratio, "0.5") == count);
  const std::map<std::string, int64_t> by_share{{"0.01", 1'478'248},  {"0.125", 1'929'832}, {"0.25", 2'421'352},
                                                {"0.375", 2'912'872}, {"0.5", 3'404'392},   {"0.625", 3'895'912},
                                                {"0.75", 4'387'432},  {"0.875", 4'878'952}, {"0.99", 5'330'536}};
  for (const auto& [share, count] : by_share) CHECK(parameters("0.5", share) == count);
}

TEST_CASE("a member of the family goes through a run, a .kndz and other files, which say what it is", "[model]") {
  const TemporaryFolder folder;
  write_images(folder / "photos", {"blue", "green"}, 4);
  const std::vector<std::string> family{"--squeeze-ratio", "0.25", "--pct3x3", "0.3", "--base-e", "20",
                                        "--incr-e",        "8",    "--freq",   "3",   "--pools",  "1,3"};
  const std::string data = "folder:" + folder / "photos";
  const auto train = [&](const std::vector<std::string>& more) {
    const Outcome outcome = kindling_command(with({"train", "--quiet", "--epochs", "1"}, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  };
  train(with(family, {"--model", "squeezenet_cifar", "--data", data, "--batch-size", "2", "--out", folder / "run"}));
  const std::string checkpoint = folder / "run/last.ckpt";
  const Outcome compressed = kindling_command({"compress", "--weights", checkpoint, "--method", "kmeans", "--data",
                                               data, "--out", folder / "small.kndz", "--json"});
  INFO(compressed.err);
  REQUIRE(compressed.code == 0);
  for (const char* file : {"alone.safetensors", "alone.pth", "alone.npz"})
    REQUIRE(kindling_command({"convert", checkpoint, folder / file}).code == 0);

  const json said =
      kindling_command(with({"info", "--model", "squeezenet_cifar", "--classes", "2", "--json"}, family)).json();
  for (const char* file : {"run/last.ckpt", "small.kndz", "alone.safetensors", "alone.pth", "alone.npz"}) {
    const Outcome outcome = kindling_command({"info", "--weights", folder / file, "--size", "32", "--json"});
    INFO(file << ": " << outcome.err);
    REQUIRE(outcome.code == 0);
    const json info = outcome.json();
    CHECK(info["parameters"] == said["parameters"]);
    CHECK(info["macs"] == said["macs"]);
    CHECK(info["layers"] == said["layers"]);
    CHECK(kindling_command({"eval", "--weights", folder / file, "--data", data}).code == 0);
  }
  train({"--resume", folder / "run", "--epochs", "2"});
}
