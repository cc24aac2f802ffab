// Every option of kindling train has the effect that it is there for, or none.
#include <catch2/catch.hpp>

#include <kindling/io/safetensors.h>

#include "option_table.h"

using namespace kindling;
using namespace kindling::testing;

namespace {

using enum Expect;
using Table = std::vector<OptionRow>;

// LeNet on 12 images of 16 pixels: three updates an epoch. What matters is said, so that no preset or default can
// change what a row is about; the learning rate is the default.
const std::string kTrain =
    "train --json --threads 1 --data folder:@/split --model lenet --batch-size 4 --epochs 1 --optimizer sgd "
    "--momentum 0.9 --weight-decay 0.001 --clip-norm 0 --schedule constant";
const std::string kPlain = kTrain + " --augment none";

const std::string kSqueezeNet = "--model squeezenet_cifar ";
const std::string kSameWeights = "--weights @/lenet.safetensors ";

const Table kRun{
    {"help", "", "", "usage_test", elsewhere},
    {"version", "", "", "usage_test", elsewhere},
    {"json", "", "", "the rows of this table read it", elsewhere},
    {"out", "", "", "the rows of this table read it", elsewhere},
    {"resume", "", "", "resume_test", elsewhere},
    {"preset", "", "--preset cifar"},
    {"preset", "", "--preset photos", "", same},
    {"preset", "", "--preset finetune", kSameWeights},
    {"baseline", "", "", "finetune_test", elsewhere},
    {"config", "", "--config @/options.json", "--preset cifar"},
    {"quiet", "", "--quiet", "", same},
    {"threads", "--threads 1", "--threads 3", kSqueezeNet, same},
    {"checkpoint-every", "--checkpoint-every 0", "--checkpoint-every 1", "", same},
    {"log-every", "--log-every 0", "--log-every 1", "", same},
    {"tensorboard", "", "--tensorboard", "", same},
    {"histograms-every", "--histograms-every 0", "--histograms-every 1", "--tensorboard", same},
    {"patience", "--patience 0", "--patience 1", "--epochs 3 --lr 0", other_figures},
    // Each of what is random, alone: the first weights, the order of the samples, dropout's masks, which samples are
    // held out.
    {"seed", "--seed 1", "--seed 2", "--lr 0 --init model"},
    {"seed", "--seed 1", "--seed 2", kSameWeights},
    {"seed", "--seed 1", "--seed 2", kSqueezeNet + "--weights @/squeezenet.safetensors --lr 0", other_figures},
    {"seed", "--seed 1", "--seed 2", kSameWeights + "--data folder:@/flat --lr 0", other_figures},
    {"seed", "--seed 1", "--seed 2", "--weights @/grey.safetensors --data mnist:@/mnist --val-share 0.5 --lr 0",
     other_figures},
};

const Table kModel{
    {"model", "--model lenet", "--model squeezenet_cifar"},
    {"bypass", "--bypass none", "--bypass simple", kSqueezeNet},
    {"bypass", "--bypass simple", "--bypass complex", kSqueezeNet},
    {"norm", "--norm none", "--norm batch", kSqueezeNet},
    {"dropout", "--dropout 0", "--dropout 0.25", kSqueezeNet},
    {"dropout", "", "--dropout 0.5", kSqueezeNet, same},
    {"conv10-bias", "--conv10-bias 0", "--conv10-bias 1", kSqueezeNet},
    {"conv10-bias", "", "--conv10-bias 0", kSqueezeNet + "--data cifar10:@/cifar", same},
    {"conv10-bias", "", "--conv10-bias 1", kSqueezeNet + "--weights @/squeezenet.safetensors", refused},
    {"form", "--form torchvision", "--form caffe", kSqueezeNet},
    {"classes", "", "--classes 5"},
    {"size", "--size 16", "--size 20"},
    {"size", "--size 16", "--size 20", kSqueezeNet},
    {"weights", "", "--weights @/lenet.safetensors"},
    {"prototxt", "", "", "convert_test", elsewhere},
    {"partial", "--partial", "--no-partial", "--weights @/lenet.safetensors --classes 4", refused},
    {"conv", "--conv auto", "--conv direct", kSqueezeNet},
    {"conv", "--conv direct", "--conv im2col", kSqueezeNet},
    {"conv", "--conv im2col", "--conv naive", kSqueezeNet},
};

const Table kFamily = family_rows(kSqueezeNet, other_weights, other_weights);

const Table kData{
    {"data", "--data folder:@/split", "--data folder:@/flat"},
    {"labels", "", "--labels @/labels.txt"},
    {"val-share", "--val-share 0.2", "--val-share 0.5", "--data folder:@/flat"},
    {"val-share", "--val-share 0", "--val-share 0.2", "--data folder:@/flat"},
    {"val-share", "", "--val-share 0.2", "--data folder:@/flat", same},
    {"val-share", "--val-share 0.2", "--val-share 0.5", "--data cifar10:@/cifar"},
    {"val-share", "--val-share 0.2", "--val-share 0.5", "--data mnist:@/mnist"},
    {"val-share", "", "--val-share 0.05", "--data mnist:@/mnist", same},
    {"val-share", "", "--val-share 0.2", "--data folder:@/split", refused},
    {"train-images", "--train-images 6", "--train-images 9"},
    {"train-images", "", "--train-images 12", "", same},  // all there are
    {"train-images", "", "--train-images 0", "", same},
    {"train-images", "", "--train-images 13", "", refused},
    {"train-images", "", "--train-images 2", "--batch-size 2", refused},  // of three classes
    {"strict", "", "--strict", "--data folder:@/damaged --batch-size 20", refused},
    {"max-pixels", "--max-pixels 256", "--max-pixels 255", "", refused},  // all images have 16 x 16
};

const Table kTraining{
    {"epochs", "--epochs 1", "--epochs 2"},
    {"batch-size", "--batch-size 4", "--batch-size 6"},
    {"accumulate", "--accumulate 1", "--accumulate 2"},
    {"micro-batch", "--micro-batch 1", "--micro-batch 2"},
    {"drop-last", "--no-drop-last", "--drop-last", "--batch-size 8"},
    {"optimizer", "--optimizer sgd", "--optimizer adam"},
    {"optimizer", "--optimizer adam", "--optimizer adamw"},
    {"optimizer", "--optimizer adamw", "--optimizer muon"},
    {"lr", "--lr 0.01", "--lr 0.02"},
    {"lr", "", "--lr 0.01", "--optimizer sgd", same},
    {"lr", "", "--lr 0.01", "--optimizer muon", same},
    {"lr", "", "--lr 0.001", "--optimizer adam", same},
    {"lr", "", "--lr 0.001", "--optimizer adamw", same},
    {"momentum", "--momentum 0", "--momentum 0.9", "--optimizer sgd"},
    {"momentum", "--momentum 0", "--momentum 0.9", "--optimizer adam"},
    {"momentum", "--momentum 0", "--momentum 0.9", "--optimizer adamw"},
    {"momentum", "--momentum 0", "--momentum 0.9", "--optimizer muon"},
    {"momentum", "--momentum 0", "--momentum 0.9", "--schedule onecycle"},
    {"momentum", "--momentum 0.8", "--momentum 0.9", "--schedule onecycle"},
    {"nesterov", "", "--nesterov"},
    {"momentum-form", "--momentum-form pytorch", "--momentum-form caffe", "--schedule poly"},
    {"weight-decay", "--weight-decay 0", "--weight-decay 0.1", "--optimizer sgd"},
    {"weight-decay", "--weight-decay 0", "--weight-decay 0.1", "--optimizer adam"},
    {"weight-decay", "--weight-decay 0", "--weight-decay 0.1", "--optimizer adamw"},
    {"weight-decay", "--weight-decay 0", "--weight-decay 0.1", "--optimizer muon"},
    {"init", "--init model", "--init lsuv"},
    {"init", "", "--init model", "--data cifar10:@/cifar", same},
    {"init", "", "--init lsuv", kSameWeights, refused},
    {"freeze", "", "--freeze ^conv1/"},
    {"freeze", "", "--freeze xyz", "", refused},
    {"head-lr", "--head-lr 1", "--head-lr 10"},
    {"head-lr", "", "--head-lr 1", "", same},
    {"clip-norm", "--clip-norm 0", "--clip-norm 0.01"},
    {"clip-norm", "--clip-norm 0.02", "--clip-norm 0.01"},
    {"label-smoothing", "--label-smoothing 0", "--label-smoothing 0.2"},
};

const Table kSchedule{
    {"schedule", "--schedule constant", "--schedule poly"},
    {"schedule", "--schedule poly", "--schedule cosine"},
    {"schedule", "--schedule cosine", "--schedule onecycle"},
    {"schedule", "--schedule constant", "--schedule step --step-every 1", "--epochs 2"},
    {"schedule", "--schedule constant", "--schedule multistep --milestones 1", "--epochs 2"},
    {"warmup", "--warmup 0", "--warmup 2"},
    {"power", "--power 1", "--power 3", "--schedule poly"},
    {"gamma", "--gamma 0.1", "--gamma 0.5", "--schedule step --step-every 1 --epochs 2"},
    {"gamma", "--gamma 0.1", "--gamma 0.5", "--schedule multistep --milestones 1 --epochs 2"},
    // Epochs are counted in updates: one an epoch with four batches accumulated, or with the last batch left out.
    {"step-every", "--step-every 1", "--step-every 2", "--schedule step --epochs 2 --accumulate 4"},
    {"step-every", "--step-every 1", "--step-every 2", "--schedule step --epochs 2 --batch-size 7 --drop-last"},
    {"step-every", "--step-every 1", "--step-every 2", "--schedule step --epochs 2"},
    {"milestones", "--milestones 1", "--milestones 2", "--schedule multistep --epochs 2 --accumulate 4"},
    {"milestones", "--milestones 1", "--milestones 2", "--schedule multistep --epochs 2 --batch-size 7 --drop-last"},
    {"milestones", "--milestones 1", "--milestones 1,2", "--schedule multistep --epochs 3"},
    {"pct-start", "--pct-start 0.3", "--pct-start 0.5", "--schedule onecycle --epochs 2"},
    {"div-factor", "--div-factor 25", "--div-factor 5", "--schedule onecycle --epochs 2"},
    {"final-div-factor", "--final-div-factor 10000", "--final-div-factor 1", "--schedule onecycle --epochs 2"},
};

const Table kImages{
    {"workers", "--workers 0", "--workers 3", "--augment pad-crop", same},
    {"seed", "--seed 1", "--seed 2", kSameWeights + "--lr 0 --augment pad-crop", other_figures},
    {"augment", "--augment none", "--augment pad-crop"},
    {"augment", "--augment none", "--augment resized-crop"},
    {"augment", "--augment none", "--augment flip"},
    {"augment", "--augment none", "--augment color"},
    {"augment", "--augment none", "--augment cutout"},
    {"augment", "--augment flip", "--augment flip,cutout"},
    {"crop-padding", "--crop-padding 2", "--crop-padding 4", "--augment pad-crop"},
    {"crop-padding", "", "--crop-padding 2", "--augment pad-crop", same},
    {"crop-scale", "--crop-scale 0.08", "--crop-scale 0.5", "--augment resized-crop"},
    {"cutout-size", "--cutout-size 4", "--cutout-size 8", "--augment cutout"},
    {"early-epochs", "--early-epochs 1", "--early-epochs 2", kSqueezeNet + "--epochs 2 --early-size 8"},
    {"early-size", "--early-size 8", "--early-size 12", kSqueezeNet + "--epochs 2 --early-epochs 1"},
    {"preprocess", "--preprocess torchvision", "--preprocess caffe"},
    {"mean", "--mean 127.5,127.5,127.5", "--mean 100,127.5,127.5"},
    {"std", "--std 64,64,64", "--std 64,64,32"},
};

}  // namespace

TEST_CASE("options of train: those of the run") { check_options(kPlain, kRun, true); }
TEST_CASE("options of train: the model's") { check_options(kPlain, kModel, true); }
TEST_CASE("options of train: the family's") { check_options(kPlain, kFamily, true); }
TEST_CASE("options of train: the data's") { check_options(kPlain, kData, true); }
TEST_CASE("options of train: how it learns") { check_options(kPlain, kTraining, true); }
TEST_CASE("options of train: the schedule's") { check_options(kPlain, kSchedule, true); }
TEST_CASE("options of train: what is done to images") { check_options(kTrain, kImages, true); }

TEST_CASE("train: one-cycle ends with a momentum half-way between --momentum and 1, and with none if that is 0") {
  const OptionData data;
  const TemporaryFolder folder;
  for (const auto& [momentum, last] : {std::pair("0.9", 0.95), std::pair("0.5", 0.75), std::pair("0", 0.0)}) {
    const std::vector<std::string> arguments = data.words(kPlain + " --schedule onecycle --momentum " + momentum);
    REQUIRE(kindling_command(with(arguments, {"--out", folder / momentum})).code == 0);
    const SafetensorsFile checkpoint(folder / (std::string(momentum) + "/last.ckpt"));
    CHECK_THAT(checkpoint.read("@optimizer/momentum").item(), Catch::WithinAbs(last, 1e-12));
  }
}

TEST_CASE("options of train: each has its row") {
  Table all;
  for (const Table* table : {&kRun, &kModel, &kFamily, &kData, &kTraining, &kSchedule, &kImages})
    all.insert(all.end(), table->begin(), table->end());
  check_complete("train", all);
}
