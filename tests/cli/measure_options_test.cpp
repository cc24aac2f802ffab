// Every option of kindling eval, classify, convert, gradcheck and bench has the effect that it is there for, or none.
#include <catch2/catch.hpp>
#include <limits>

#include <kindling/interop/weights.h>
#include <kindling/models/registry.h>

#include "option_table.h"

using namespace kindling;
using namespace kindling::testing;

namespace {

using enum Expect;
using Table = std::vector<OptionRow>;

const Table kEverywhere{
    {"help", "", "", "usage_test", elsewhere},
    {"version", "", "", "usage_test", elsewhere},
    {"json", "", "", "the rows of this table read it", elsewhere},
};

template <class List>
List joined(List list, const List& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}
/// With these rows of the family's options.
Table with_everywhere(const Table& table, const Table& family = {}) {
  return joined(joined(table, kEverywhere), family);
}

const std::string kEval = "eval --json --threads 1 --weights @/lenet.safetensors --model lenet --data folder:@/flat";
const std::string kEvalSqueezeNet = "--model squeezenet_cifar --weights @/squeezenet.safetensors ";

const Table kEvalTable = with_everywhere(
    {
        {"quiet", "", "--quiet", "", same},
        {"threads", "--threads 1", "--threads 3", kEvalSqueezeNet, same},
        {"seed", "--seed 1", "--seed 2", "--data shapes --weights @/shapes.safetensors", other_figures},
        {"seed", "--seed 1", "--seed 2", "--data folder:@/unsplit", other_figures},
        {"seed", "", "--seed 2", "", refused},  // a flat folder is used whole
        {"model", "", "--model squeezenet_cifar", "--weights @/squeezenet.safetensors --model squeezenet_cifar", same},
        {"model", "--model squeezenet_cifar", "--model lenet", "--weights @/squeezenet.safetensors", refused},
        {"bypass", "--bypass none", "--bypass simple", kEvalSqueezeNet, other_figures},
        {"norm", "--norm none", "--norm batch", kEvalSqueezeNet, refused},
        {"norm", "--norm batch", "--norm none", "--model squeezenet_cifar --weights @/norm.safetensors", refused},
        {"dropout", "--dropout 0", "--dropout 0.5", kEvalSqueezeNet, same},
        {"form", "--form torchvision", "--form caffe", "--model squeezenet1_0 --weights @/v1.safetensors --size 32",
         other_figures},
        {"classes", "--classes 3", "--classes 5", "", refused},
        {"size", "--size 16", "--size 20", kEvalSqueezeNet, other_figures},
        {"weights", "", "--weights @/other.safetensors", "", other_figures},
        {"prototxt", "", "", "convert_test", elsewhere},
        {"partial", "--partial", "--no-partial", "--classes 4", refused},
        {"conv", "--conv auto", "--conv naive", kEvalSqueezeNet, other_bits},
        {"data", "--data folder:@/flat", "--data folder:@/split", "", other_figures},
        {"labels", "", "--labels @/labels.txt", "", other_figures},
        {"labels", "", "--labels @/labels.txt", "--data shapes --weights @/shapes.safetensors", refused},
        {"val-share", "--val-share 0.2", "--val-share 0.5", "--data folder:@/unsplit", other_figures},
        {"val-share", "", "--val-share 0.5", "", refused},  // a flat folder is used whole
        {"val-share", "", "--val-share 0.5", "--data folder:@/split", refused},
        {"workers", "--workers 0", "--workers 3", "", same},
        {"strict", "", "--strict", "--data folder:@/damaged", refused},
        {"max-pixels", "--max-pixels 256", "--max-pixels 255", "", refused},  // all images have 16 x 16
        {"confusion", "", "--confusion", "", other_figures},
        {"mistakes", "", "--mistakes 3", "", other_figures},
        {"batch-size", "--batch-size 24", "--batch-size 7", "", same},
        {"preprocess", "--preprocess torchvision", "--preprocess caffe", "--size 16", other_figures},
        {"mean", "--mean 127.5,127.5,127.5", "--mean 100,127.5,127.5", "", other_figures},
        {"std", "--std 64,64,64", "--std 64,64,32", "", other_figures},
    },
    family_rows(kEvalSqueezeNet, refused, other_figures));

const std::string kClassify =
    "classify @/flat --json --threads 1 --weights @/squeezenet.safetensors --model squeezenet_cifar --classes 3 "
    "--size 16";

const Table kClassifyTable = with_everywhere(
    {
        {"quiet", "", "--quiet", "", same},
        {"threads", "--threads 1", "--threads 3", "", same},
        {"seed", "--seed 1", "--seed 2", "", same},
        {"top", "--top 3", "--top 2", "", other_figures},
        {"labels", "", "--labels @/labels.txt", "", other_figures},
        {"model", "--model squeezenet_cifar", "--model lenet", "", refused},
        {"bypass", "--bypass none", "--bypass simple", "", other_figures},
        {"norm", "--norm none", "--norm batch", "", refused},
        {"dropout", "--dropout 0", "--dropout 0.5", "", same},
        {"form", "--form torchvision", "--form caffe", "--model squeezenet1_0 --weights @/v1.safetensors --size 32",
         other_figures},
        {"classes", "--classes 3", "--classes 5", "", refused},
        {"size", "--size 16", "--size 20", "", other_figures},
        {"weights", "--weights @/squeezenet.safetensors", "--weights @/lenet.safetensors", "", refused},
        {"prototxt", "", "", "convert_test", elsewhere},
        {"partial", "--partial", "--no-partial", "--classes 4", refused},
        {"conv", "--conv auto", "--conv naive", "", other_bits},
        {"preprocess", "--preprocess torchvision", "--preprocess caffe", "--size 16", other_figures},
        {"mean", "--mean 127.5,127.5,127.5", "--mean 100,127.5,127.5", "", other_figures},
        {"std", "--std 64,64,64", "--std 64,64,32", "", other_figures},
        {"batch-size", "--batch-size 24", "--batch-size 7", "", same},
    },
    family_rows("", refused, other_figures));

const std::string kConvert = "convert --json --threads 1 ";
const std::string kLeNetAlone = "@/lenet_alone.safetensors @/out", kToldLeNet = "@/lenet.safetensors @/out",
                  kUnknown = "@/unknown.safetensors @/out", kSqueezeNetAlone = "@/squeezenet_alone.safetensors @/out ";

const Table kConvertTable = with_everywhere({
    {"quiet", "", "--quiet", kLeNetAlone, same},
    {"threads", "--threads 1", "--threads 3", kLeNetAlone, same},
    {"seed", "--seed 1", "--seed 2", kLeNetAlone, same},
    {"names", "--names kindling", "--names torchvision", kSqueezeNetAlone + "--model squeezenet_cifar --bypass none",
     other_figures},
    {"names", "", "--names caffe", kUnknown, refused},
    {"preprocess", "--preprocess torchvision", "--preprocess caffe", kLeNetAlone, other_figures},
    {"preprocess", "", "--preprocess caffe", kUnknown, refused},
    {"model", "--model squeezenet_cifar", "--model squeezenet1_1", kSqueezeNetAlone + "--bypass none", other_figures},
    {"model", "", "--model lenet", kUnknown, refused},
    {"model", "", "--model lenet", kToldLeNet, refused},
    {"bypass", "--bypass none", "--bypass complex", kSqueezeNetAlone + "--model squeezenet_cifar", refused},
    {"bypass", "", "--bypass none", kUnknown, refused},
    {"bypass", "", "--bypass none", kLeNetAlone, refused},
    {"bypass", "", "--bypass none", "@/squeezenet.safetensors @/out", refused},
    {"form", "", "", "convert_test", elsewhere},
    {"form", "", "--form caffe", kUnknown, refused},
    {"form", "", "--form torchvision", kToldLeNet, refused},
    {"prototxt", "", "", "convert_test", elsewhere},
});

const std::string kGradcheck = "gradcheck --json --threads 1";
const std::string kSmallNet = "--model squeezenet_cifar --size 8 --classes 3 ";

const Table kGradcheckTable = with_everywhere(
    {
        {"quiet", "", "--quiet", "--op tanh", same},
        {"threads", "--threads 1", "--threads 3", "--op conv2d", same},
        {"seed", "--seed 1", "--seed 2", "--op tanh", other_figures},
        {"all", "--op tanh", "--all", "", other_figures},
        {"op", "--op tanh", "--op exp", "", other_figures},
        {"order", "--order 1", "--order 2", "--op tanh", other_figures},
        {"model", "--model squeezenet_cifar", "--model lenet", "--size 13", other_figures},
        {"bypass", "--bypass none", "--bypass simple", kSmallNet, other_figures},
        {"norm", "--norm none", "--norm batch", kSmallNet, other_figures},
        {"dropout", "--dropout 0.5", "--dropout 0", kSmallNet, other_figures},
        {"form", "--form torchvision", "--form caffe", kSmallNet, other_figures},
        {"classes", "--classes 3", "--classes 5", "--model squeezenet_cifar --size 8", other_figures},
        {"size", "--size 8", "--size 9", "--model squeezenet_cifar", other_figures},
        {"weights", "", "--weights @/squeezenet.safetensors", kSmallNet, other_figures},
        {"prototxt", "", "", "convert_test", elsewhere},
        {"partial", "--partial", "--no-partial",
         "--model squeezenet_cifar --size 8 --weights @/squeezenet.safetensors --classes 4", refused},
        {"conv", "--conv im2col", "--conv naive", kSmallNet, other_figures},
    },
    family_rows(kSmallNet, other_figures, other_figures));

const std::string kBenchModel = "--json --threads 1 --model squeezenet_cifar --size 8 --batch-size 2 --steps 1 ";

const Table kBenchModelTable = with_everywhere(
    {
        {"quiet", "", "--quiet", "", same},
        {"threads", "--threads 1", "--threads 2", "", other_figures},
        {"seed", "--seed 1", "--seed 2", "", same},
        {"seed", "--seed 1", "--seed 2", "--ragged --batch-size 99 --steps 3", other_figures},
        {"batch-size", "--batch-size 2", "--batch-size 3", "", other_figures},
        {"steps", "--steps 1", "--steps 2", "", other_figures},
        {"layers", "", "--layers", "", other_figures},
        {"ragged", "", "--ragged", "--batch-size 8 --steps 3", other_figures},
        {"model", "--model squeezenet_cifar", "--model lenet", "--size 16", other_figures},
        {"bypass", "--bypass none", "--bypass complex", "", other_figures},
        {"norm", "--norm none", "--norm batch", "--layers", other_figures},
        {"dropout", "--dropout 0.5", "--dropout 0", "", same},
        {"form", "--form torchvision", "--form caffe", "--model squeezenet1_0 --size 32", other_figures},
        {"classes", "--classes 3", "--classes 5", "", other_figures},
        {"size", "--size 8", "--size 9", "", other_figures},
        {"weights", "", "--weights @/lenet.safetensors", "", refused},
        {"prototxt", "", "", "convert_test", elsewhere},
        {"partial", "--partial", "--no-partial", "--weights @/squeezenet.safetensors --classes 4", refused},
        {"conv", "", "", "bench: the algorithm is the one that --conv names", elsewhere},
    },
    family_rows("", other_figures, other_figures));

// Of gemm and conv, on the layers of kBenchModel.
const Table kKernelTable = with_everywhere(
    {
        {"batch-size", "--batch-size 2", "--batch-size 3", "", other_figures},
        {"model", "--model squeezenet_cifar", "--model squeezenet1_1", "--size 17", other_figures},
        {"bypass", "--bypass none", "--bypass complex", "", other_figures},
        {"form", "--form torchvision", "--form caffe", "--model squeezenet1_0 --size 32", other_figures},
        {"classes", "--classes 3", "--classes 5", "", other_figures},
        {"size", "--size 8", "--size 16", "", other_figures},
    },
    family_rows("--model squeezenet_cifar --size 8", other_figures, other_figures));

const std::string kBenchShape = "--json --threads 1 --steps 1 ";

const std::vector<std::string> kModelWords{"model lenet", "bypass none", "form caffe", "classes 3", "squeeze-ratio 0.5",
                                           "pct3x3 0.4",  "base-e 64",   "incr-e 64",  "freq 4",    "pools 1,5"};

// Of both, on one shape: what the model's options do beside it is nothing.
Table shape_table(const std::vector<std::string>& useless) {
  Table table{
      {"quiet", "", "--quiet", "", same},
      {"threads", "--threads 1", "--threads 2", "", other_figures},
      {"seed", "--seed 1", "--seed 2", "", other_figures},
      {"steps", "--steps 1", "--steps 2", "", same},  // more of the same
  };
  for (const std::string& words : useless)
    table.push_back({words.substr(0, words.find(' ')), "", "--" + words, "", refused});
  return table;
}

// Checks `bench KERNEL` on the model's layers, and on one `shape`, of which the second table is.
void check_kernel(const std::string& command, const std::string& shape, const Table& of_shape) {
  check_options(command + " " + kBenchModel, kKernelTable);
  check_options(command + " " + kBenchShape + shape, of_shape);
  Table all = kKernelTable;
  all.insert(all.end(), of_shape.begin(), of_shape.end());
  check_complete(command, all);
}

}  // namespace

TEST_CASE("options of eval: each has its effect and its row") {
  check_options(kEval, kEvalTable);
  check_complete("eval", kEvalTable);
}

TEST_CASE("options of classify: each has its effect and its row") {
  check_options(kClassify, kClassifyTable);
  check_complete("classify", kClassifyTable);
}

TEST_CASE("options of convert: each has its effect and its row") {
  check_options(kConvert, kConvertTable);
  check_complete("convert", kConvertTable);
}

TEST_CASE("options of gradcheck: each has its effect and its row") {
  check_options(kGradcheck, kGradcheckTable);
  check_complete("gradcheck", kGradcheckTable);
}

TEST_CASE("options of bench train and infer: each has its effect and its row") {
  Table of_training = kBenchModelTable;
  of_training.push_back({"optimizer", "--optimizer sgd", "--optimizer muon", "", other_figures});
  for (const auto& [command, table] :
       {std::pair<std::string, Table>{"bench train", of_training}, {"bench infer", kBenchModelTable}}) {
    check_options(command + " " + kBenchModel, table);
    check_complete(command, table);
  }
}

TEST_CASE("options of bench gemm: each has its effect and its row") {
  Table table = shape_table(joined(kModelWords, {"size 64", "batch-size 8"}));
  for (const std::string side : {"m", "n", "k"})
    table.push_back({side, "--" + side + " 3", "--" + side + " 4", "", other_figures});
  check_kernel("bench gemm", "--m 2 --n 2 --k 2", table);
}

TEST_CASE("options of bench conv: each has its effect and its row") {
  Table table = shape_table(kModelWords);
  for (const OptionRow& row : Table{{"channels", "--channels 4", "--channels 8"},
                                    {"filters", "--filters 4", "--filters 8"},
                                    {"kernel", "--kernel 3", "--kernel 5"},
                                    {"stride", "--stride 1", "--stride 2"},
                                    {"padding", "--padding 0", "--padding 1"},
                                    {"groups", "--groups 1", "--groups 2"}})
    table.push_back({row.option, row.one, row.other, "", other_figures});
  check_kernel("bench conv", "--size 8 --batch-size 2 --channels 4 --filters 4 --kernel 3", table);
  check_options("bench conv " + kBenchModel, {{"filters", "", "--filters 4", "", refused},
                                              {"kernel", "", "--kernel 3", "", refused},
                                              {"stride", "", "--stride 1", "", refused},
                                              {"padding", "", "--padding 0", "", refused},
                                              {"groups", "", "--groups 1", "", refused}});
}

TEST_CASE("bench: the algorithm is the one that --conv names") {
  const auto speed = [](const std::string& algorithm) {
    return kindling_command({"bench", "infer", "--model", "squeezenet_cifar", "--size", "32", "--batch-size", "4",
                             "--steps", "3", "--threads", "1", "--json", "--conv", algorithm})
        .json()["images_per_second"]
        .get<double>();
  };
  CHECK(speed("naive") < 0.5 * speed("direct"));  // a tenth or less; other work on the machine shifts it
}

TEST_CASE("gradcheck: a gradient that is wrong ends with exit code 1") {
  const TemporaryFolder folder;
  Rng rng(1);
  const auto model = make_model("lenet", {.size = 13}, rng);
  model->parameters().back().value().fill_(std::numeric_limits<double>::quiet_NaN());  // which agrees with nothing
  save(*model, folder / "nan.safetensors");
  const std::vector<std::string> arguments{"gradcheck", "--model", "lenet", "--size", "13"};
  const std::vector<std::string> broken = with(arguments, {"--weights", folder / "nan.safetensors"});
  const Outcome text = kindling_command(broken);
  CHECK(text.code == 1);
  CHECK_THAT(text.out, Catch::Contains("FAILED") && Catch::Contains("1 failed"));
  const Outcome json = kindling_command(with(broken, {"--json"}));
  CHECK(json.code == 1);
  CHECK(json.json()["failed"] == 1);
}
