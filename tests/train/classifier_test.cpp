// Naming what is on pictures.
#include <kindling/train/classifier.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <thread>

#include <kindling/autograd/ops/softmax.h>
#include <kindling/interop/weights.h>
#include <kindling/io/atomic_file.h>
#include <kindling/io/checkpoint.h>
#include <kindling/models/lenet.h>
#include <kindling/models/squeezenet.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/softmax.h>
#include <kindling/train/trainer.h>

#include <kindling/tests/support/bmp.h>
#include <kindling/tests/support/temporary_folder.h>
#include <kindling/tests/train/small_problem.h>

using namespace kindling;

namespace {

Tensor picture(int64_t height, int64_t width, uint64_t seed, int64_t channels = 3) {
  Rng rng(seed);
  Tensor image = Tensor::empty({height, width, channels}, DType::u8);
  for (int64_t i = 0; i < image.numel(); ++i) image.data<uint8_t>()[i] = static_cast<uint8_t>(rng.next_below(256));
  return image;
}

SqueezeNet make_net(uint64_t seed = 1) {
  Rng rng(seed);
  return squeezenet_cifar({.classes = 7, .norm = Norm::batch}, rng);
}

/// What the network says of one picture, computed step by step.
std::vector<double> expected_probabilities(Module& net, const Tensor& image, const data::Preprocessing& preprocessing) {
  const EvaluationMode evaluation(net);
  const NoGrad no_grad;
  Rng rng(0);
  const Tensor input = data::preprocess(preprocessing)(image, rng);
  const Tensor batch = input.reshape(input.shape().with_inserted(0, 1));
  return softmax(net(batch).value().to(DType::f64)).to_vector<double>();
}

const data::Preprocessing kPreprocessing{.size = 16, .shorter = 18, .mean = {120, 110, 100}, .std = {60, 61, 62}};

Classifier make_classifier(uint64_t seed = 1) {
  SqueezeNet net = make_net(seed);
  const Description description{
      .model = net.definition(), .classes = {"a", "b", "c", "d", "e"}, .preprocessing = kPreprocessing};
  return Classifier(std::make_unique<SqueezeNet>(std::move(net)), description);
}

}  // namespace

TEST_CASE("a classifier says what the network does, the most probable first", "[model]") {
  SqueezeNet net = make_net();
  Classifier classify = make_classifier();
  const Tensor image = picture(30, 40, 2);
  const std::vector<double> expected = expected_probabilities(net, image, kPreprocessing);
  const Predictions all = classify(image, 100);
  REQUIRE(all.size() == 7);
  double sum = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& [index, label, probability] = all[i];
    CHECK_THAT(probability, Catch::WithinRel(expected[static_cast<size_t>(index)], 1e-5));
    CHECK(label == (index < 5 ? std::string(1, static_cast<char>('a' + index)) : "class " + std::to_string(index)));
    if (i > 0) CHECK(probability <= all[i - 1].probability);
    sum += probability;
  }
  CHECK_THAT(sum, Catch::WithinAbs(1, 1e-9));
  const Predictions two = classify(image, 2);
  REQUIRE(two.size() == 2);
  CHECK(two[1].index == all[1].index);
}

TEST_CASE("several pictures at once give what one at a time gives, for any number of threads", "[model]") {
  Classifier classify = make_classifier();
  std::vector<Tensor> pictures;
  for (uint64_t i = 0; i < 11; ++i) pictures.push_back(picture(16 + static_cast<int64_t>(i), 20, i));
  std::vector<std::vector<Predictions>> answers;
  for (const int threads : {1, 2, 4}) {
    const ThreadsGuard with(threads);
    answers.push_back(classify(pictures, 3));
  }
  REQUIRE(answers[0].size() == pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Predictions alone = classify(pictures[i], 3);
    for (size_t k = 0; k < alone.size(); ++k) {
      CHECK(answers[0][i][k].index == alone[k].index);
      CHECK_THAT(answers[0][i][k].probability, Catch::WithinRel(alone[k].probability, 1e-5));
      CHECK(answers[1][i][k].probability == answers[0][i][k].probability);
      CHECK(answers[2][i][k].probability == answers[0][i][k].probability);
    }
  }
  CHECK(classify(std::vector<Tensor>{}).empty());
}

TEST_CASE("files are named side by side as one at a time, and damaged ones are told apart", "[model]") {
  const TemporaryFolder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 9; ++i) {
    files.push_back(folder / (std::to_string(i) + ".bmp"));
    write_file(files.back(), testing::make_bmp(16 + 3 * i, [&](int y, int x, int c) {
                 return static_cast<uint8_t>(31 * i + 7 * y + 5 * x + c);
               }));
  }
  write_file(files[4], "BM");
  const Classifier classify = make_classifier();
  for (const int threads : {1, 3}) {
    const ThreadsGuard with(threads);
    const std::vector<FileAnswer> answers = classify.classify_files(files, 2);
    REQUIRE(answers.size() == files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      if (i == 4) {
        CHECK_THAT(answers[i].error, Catch::StartsWith(files[4] + ": "));
        CHECK(answers[i].top.empty());
        continue;
      }
      CHECK(answers[i].error.empty());
      const Predictions alone = classify(files[i], 2);
      REQUIRE(answers[i].top.size() == 2);
      CHECK(answers[i].top[0].index == alone[0].index);
      CHECK_THAT(answers[i].top[0].probability, Catch::WithinRel(alone[0].probability, 1e-5));
    }
  }
  CHECK(classify.classify_files({}).empty());
  CHECK_THROWS_WITH(classify.classify_files(files, 0), "Classifier: top must be above 0, got 0");
}

TEST_CASE("pictures that keep their sizes are named too", "[model]") {
  const TemporaryFolder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 3; ++i) {
    files.push_back(folder / (std::to_string(i) + ".bmp"));
    write_file(files.back(), testing::make_bmp(16 + i, [&](int y, int x, int c) {
                 return static_cast<uint8_t>(31 * i + 7 * y + 5 * x + c);
               }));
  }
  SqueezeNet net = make_net();
  const Description description{.model = net.definition(), .preprocessing = data::Preprocessing{}};
  const Classifier classify(std::make_unique<SqueezeNet>(std::move(net)), description);
  const std::vector<FileAnswer> answers = classify.classify_files(files, 1);
  for (size_t i = 0; i < files.size(); ++i)
    CHECK_THAT(answers[i].top.at(0).probability, Catch::WithinRel(classify(files[i], 1)[0].probability, 1e-5));
}

TEST_CASE("several threads may call one classifier at once", "[model]") {
  const Classifier classify = make_classifier();
  std::vector<Tensor> pictures;
  for (uint64_t i = 0; i < 4; ++i) pictures.push_back(picture(18, 20 + static_cast<int64_t>(i), i));
  std::vector<Predictions> expected;
  for (const Tensor& one : pictures) expected.push_back(classify(one, 3));
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> callers;
    for (size_t caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (int round = 0; round < 5; ++round) {
          const size_t i = (caller + static_cast<size_t>(round)) % pictures.size();
          const Predictions found = classify(pictures[i], 3);
          for (size_t k = 0; k < found.size(); ++k)
            wrong += found[k].index != expected[i][k].index || found[k].probability != expected[i][k].probability;
        }
      });
  }
  CHECK(wrong == 0);
}

TEST_CASE("a second batch of the same shape costs no plan") {
  struct Counting : Module {
    std::shared_ptr<std::atomic<int64_t>> seen = std::make_shared<std::atomic<int64_t>>(0);
    void visit(Visitor& /*visitor*/) override {}
    std::string kind() const override { return "Counting"; }
    Variable forward(const Variable& x) override {
      *seen += x.shape()[0];
      return Variable(Tensor::zeros({x.shape()[0], 3}));
    }
  };
  auto net = std::make_unique<Counting>();
  const auto seen = net->seen;
  Classifier classify(std::move(net), {.preprocessing = kPreprocessing});
  classify.predict(Tensor::zeros({4, 16, 16, 3}));
  *seen = 0;
  classify.predict(Tensor::zeros({4, 16, 16, 3}));
  CHECK(*seen == 4);
  CHECK(classify.predict(Tensor::zeros({5, 16, 16, 3})).size() == 5);
}

TEST_CASE("a file is decoded and named by a checkpoint that lies alone", "[model]") {
  const TemporaryFolder folder;
  SqueezeNet net = make_net();
  save_checkpoint(folder / "best.ckpt", net, {},
                  to_metadata({.model = net.definition(), .classes = {"x", "y"}, .preprocessing = kPreprocessing}));
  write_file(folder / "photo.bmp",
             testing::make_bmp(24, [](int y, int x, int c) { return static_cast<uint8_t>(10 * y + 3 * x + c); }));
  Classifier classify(folder / "best.ckpt");
  const Predictions top = classify(folder / "photo.bmp", 1);
  REQUIRE(top.size() == 1);
  Tensor image = Tensor::empty({24, 24, 3}, DType::u8);  // rows of a bitmap come from the bottom, in blue, green, red
  for (int64_t y = 0; y < 24; ++y)
    for (int64_t x = 0; x < 24; ++x)
      for (int64_t c = 0; c < 3; ++c)
        image.at<uint8_t>({y, x, c}) = static_cast<uint8_t>(10 * (23 - y) + 3 * x + 2 - c);
  CHECK(top[0].probability == classify(image, 1)[0].probability);
  CHECK(classify.description().classes == std::vector<std::string>{"x", "y"});
  CHECK_THROWS_WITH(classify(folder / "none.jpg"), Catch::StartsWith((folder / "none.jpg") + ": "));
}

TEST_CASE("models of grey pictures get colours as grey", "[model]") {
  Rng rng(1);
  Sequential net = lenet({.size = 16}, rng);
  const Description description{
      .model = net.definition(), .classes = {}, .preprocessing = data::Preprocessing{.size = 16}};
  Classifier classify(std::make_unique<Sequential>(std::move(net)), description);
  const Tensor colours = picture(16, 16, 3);
  Tensor grey = Tensor::empty({16, 16, 1}, DType::u8);
  for (int64_t i = 0; i < grey.numel(); ++i) {
    const uint8_t* rgb = colours.data<uint8_t>() + 3 * i;
    grey.data<uint8_t>()[i] = static_cast<uint8_t>(std::lround(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]));
  }
  CHECK(classify(colours)[0].probability == classify(grey)[0].probability);
  CHECK_THROWS_WITH(classify(picture(16, 16, 1, 2)),
                    "Classifier: the model takes pictures of 1 channels, got [16, 16, 2]");
}

TEST_CASE("what a classifier lacks is named", "[model]") {
  const TemporaryFolder folder;
  SqueezeNet net = make_net();
  const std::string path = folder / "x";
  write_safetensors(path, {{"x", Tensor::scalar(1)}});
  CHECK_THROWS_WITH(Classifier(path), Catch::StartsWith(path + ": does not say what model it holds"));
  save_checkpoint(path, net, {}, to_metadata({.model = net.definition()}));
  CHECK_THROWS_WITH(Classifier(path), Catch::StartsWith(path + ": does not say how a picture becomes an input"));
  CHECK_THROWS_WITH(Classifier(std::make_unique<SqueezeNet>(make_net()), {}),
                    "Classifier: the description has no preprocessing");
  Classifier classify = make_classifier();
  CHECK_THROWS_WITH(classify(picture(20, 20, 1), 0), "Classifier: top must be above 0, got 0");
  CHECK_THROWS_WITH(classify(Tensor::zeros({4})), "Classifier: a picture is [H, W, C], not [4]");
}
