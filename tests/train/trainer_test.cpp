#include <kindling/train/trainer.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <kindling/autograd/ops/elementwise.h>
#include <kindling/autograd/ops/softmax.h>
#include <kindling/data/transforms.h>
#include <kindling/io/atomic_file.h>
#include <kindling/interop/weights.h>
#include <kindling/nn/loss.h>
#include <kindling/optim/adam.h>
#include <kindling/optim/sgd.h>
#include <kindling/tensor/elementwise.h>
#include <kindling/tensor/reduce.h>
#include <kindling/train/run_folder.h>

#include <kindling/tests/support/temporary_folder.h>
#include "small_problem.h"

using namespace kindling;
using nlohmann::json;

namespace {

const SGDOptions kSgd{.lr = 0.05, .momentum = 0.9};

/// Keeps everything that it is told.
struct Recorder : TrainListener {
  void on_start(int64_t epoch, int64_t, int64_t step, int64_t steps) override {
    first_epoch = epoch;
    first_step = step;
    total_steps = steps;
  }
  void on_step(const StepReport& report) override { steps.push_back(report); }
  void on_validation(int64_t done, int64_t total) override { validated = {done, total}; }
  void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
  void on_note(const std::string& note) override { notes.push_back(note); }

  int64_t first_epoch = -1, first_step = -1, total_steps = 0;
  std::vector<StepReport> steps;
  std::pair<int64_t, int64_t> validated;
  std::vector<EpochReport> epochs;
  std::vector<std::string> notes;
};

/// y = 2 x1 - x2 + 1 of [n, 2] inputs.
std::shared_ptr<data::TensorDataset> line(int64_t n, uint64_t seed) {
  Rng rng(seed);
  const Tensor x = Tensor::normal({n, 2}, 0.0, 1.0, rng);
  Tensor y = Tensor::empty({n, 1});
  for (int64_t i = 0; i < n; ++i) y.at<float>({i, 0}) = 2 * x.at<float>({i, 0}) - x.at<float>({i, 1}) + 1;
  return std::make_shared<data::TensorDataset>(x, y);
}

double square(double x) { return x * x; }

Variable squared_error(const Variable& output, const Tensor& target) { return mse_loss(output, target); }

}  // namespace

TEST_CASE("a small network learns, and everything about it is told and written", "[model]") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  Recorder recorder;
  Trainer trainer(net, SGD(net.parameters(), kSgd), {.schedule = poly(1.0), .batch_size = 16});
  const TrainResult result = trainer.fit(quarters(200, 1), quarters(60, 2),
                                         {.epochs = 6,
                                          .run = folder.path(),
                                          .log_every = 5,
                                          .test = quarters(40, 3),
                                          .config = R"({"model": "small"})",
                                          .listener = &recorder});

  CHECK(result.end == TrainEnd::finished);
  CHECK(result.run == folder.path());
  CHECK(result.epochs == 6);
  CHECK(result.steps == 78);
  CHECK(*result.validation->top1 > 90);
  CHECK_FALSE(result.validation->top5);  // of four classes
  CHECK(*result.test->top1 > 85);
  CHECK(result.test->samples == 40);
  CHECK(result.train_loss < 0.5);
  CHECK(result.images_per_second > 0);
  CHECK(result.peak_rss_mb > 1);
  CHECK(*result.best >= *result.validation->top1);

  CHECK(recorder.first_step == 0);
  CHECK(recorder.total_steps == 78);
  REQUIRE(recorder.steps.size() == 78);
  REQUIRE(recorder.epochs.size() == 6);
  CHECK(recorder.notes.empty());
  const StepReport& first = recorder.steps.front();
  CHECK(first.epoch == 1);
  CHECK(first.step == 1);
  CHECK(first.batches == 13);
  CHECK(first.lr == 0.05);
  CHECK(first.loss > std::log(4.0) / 2);
  CHECK(first.epoch_loss == first.loss);
  CHECK(first.gradient_norm > 0);
  CHECK(first.wait_share >= 0);
  CHECK(first.wait_share <= 1);
  CHECK_THAT(recorder.steps.back().lr, Catch::WithinRel(0.05 / 78, 1e-9));
  CHECK(recorder.validated == std::pair<int64_t, int64_t>(40, 40));

  CHECK(folder.listing() == "best.ckpt config.json curves.svg last.ckpt metrics.jsonl");
  CHECK(RunFolder::read_config(folder.path())["model"] == "small");
  const std::vector<json> lines = read_metrics(folder.path());
  CHECK(lines.size() == 6 + 78 / 5);
  CHECK(lines[0]["step"] == 5);
  double loss = 0;  // of the updates since the line before
  for (size_t step = 5; step < 10; ++step) loss += recorder.steps[step].loss / 5;
  CHECK(lines[1]["step"] == 10);
  CHECK_THAT(lines[1]["train_loss"].get<double>(), Catch::WithinRel(loss, 1e-6));
  const json& last = lines.back();
  for (const char* key : {"epoch", "step", "lr", "train_loss", "val_loss", "val_top1", "images_per_second"})
    CHECK(last[key].is_number());
  CHECK(last["val_top5"].is_null());
  CHECK(last["val_top1"] == *result.validation->top1);
  CHECK(last["train_loss"] == result.train_loss);

  Sequential loaded = small_net(7);
  CHECK(load(loaded, folder / "last.ckpt").empty());
  CHECK(same_bits(parameter_copies(loaded), parameter_copies(net)));
  load(loaded, folder / "best.ckpt");
  CHECK(*evaluate(loaded, quarters(60, 2)).top1 == *result.best);
}

TEST_CASE("without a folder nothing is written, without validation nothing is best") {
  Sequential net = small_net(1);
  Trainer trainer(net, Adam(net.parameters()), {.batch_size = 16});
  const TrainResult result = trainer.fit(quarters(40, 1), nullptr, {.epochs = 2});
  CHECK(result.steps == 6);
  CHECK_FALSE(result.validation);
  CHECK_FALSE(result.best);
}

TEST_CASE("without validation best.ckpt is the last") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  Trainer trainer(net, Adam(net.parameters()), {.batch_size = 16});
  const TrainResult result = trainer.fit(quarters(40, 1), nullptr, {.epochs = 2, .run = folder.path()});
  CHECK(result.best_epoch == 0);
  CHECK(read_file(folder / "best.ckpt") == read_file(folder / "last.ckpt"));
}

TEST_CASE("what the data sets have to say is told at the start, each thing once") {
  struct Talking : data::TensorDataset {
    Talking(const data::TensorDataset& base, std::vector<std::string> notes)
        : TensorDataset(base), notes_(std::move(notes)) {}
    std::vector<std::string> notes() const override { return notes_; }
    std::vector<std::string> notes_;
  };
  using Notes = std::vector<std::string>;
  const auto base = quarters(40, 1);
  Sequential net = small_net(1);
  Recorder recorder;
  Trainer trainer(net, Adam(net.parameters()), {.batch_size = 16});
  trainer.fit(std::make_shared<Talking>(*base, Notes{"a", "b"}), std::make_shared<Talking>(*base, Notes{"b", "c"}),
              {.epochs = 1, .test = std::make_shared<Talking>(*base, Notes{"d"}), .listener = &recorder});
  CHECK(recorder.notes == Notes{"a", "b", "c", "d"});
}

TEST_CASE("samples that cannot be read are told after the first epoch that met them, each once") {
  struct Damaged : data::Wrapped {
    using Wrapped::Wrapped;
    data::Sample get(int64_t index) const override {
      if (index == 2) throw FileError("sample 2: damaged");
      return Wrapped::get(index);
    }
  };
  Sequential net = small_net(1);
  Recorder recorder;
  Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 4});
  trainer.fit(std::make_shared<Damaged>(quarters(8, 1)), std::make_shared<Damaged>(quarters(4, 2)),
              {.epochs = 2, .listener = &recorder});
  CHECK(recorder.notes == std::vector<std::string>{"skipped: sample 2: damaged", "skipped: sample 2: damaged"});
  CHECK(recorder.epochs.size() == 2);
}

TEST_CASE("a regression is trained with the user's loss and metrics", "[model]") {
  Rng rng(1);
  Linear net(2, 1, rng);
  const Metric mean_error{"mean_error", [](const Tensor& output, const Tensor& target) {
                            double sum = 0;
                            const auto y = output.to_vector<double>(), t = target.to_vector<double>();
                            for (size_t i = 0; i < y.size(); ++i) sum += std::abs(y[i] - t[i]);
                            return sum / static_cast<double>(y.size());
                          }};
  const TemporaryFolder folder;
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.1}),
                  {.batch_size = 10, .loss = squared_error, .metrics = {mean_error}});
  const TrainResult result = trainer.fit(line(100, 1), line(30, 2), {.epochs = 10, .run = folder.path()});
  CHECK(result.validation->loss < 1e-4);
  CHECK_FALSE(result.validation->top1);
  CHECK(result.validation->metrics.at("mean_error") < 1e-2);
  CHECK(*result.best <= result.validation->loss);
  const json last = read_metrics(folder.path()).back();
  CHECK(last["val_mean_error"] == result.validation->metrics.at("mean_error"));
  CHECK(last["val_top1"].is_null());
  CHECK(std::filesystem::exists(folder / "best.ckpt"));
}

TEST_CASE("the first epochs have a transform of their own, also when a run goes on") {
  // 4 x 4 pixels in the first two epochs, then 8 x 8; every epoch in batches that are cut alike.
  std::vector<Shape> shapes;
  const auto train = [&](const std::string& run, int64_t epochs, bool resume) {
    Rng rng(1);
    Sequential net;
    net.add("look", Fn("Look", [&](const Variable& x) {
              if (is_recording()) shapes.push_back(x.shape());
              return x;
            }));
    net.add("conv", Conv2d(2, 6, {.kernel = 3, .padding = 1}, rng));
    net.add("norm", BatchNorm2d(6));  // whole batches, in this thread
    net.add("pool", GlobalAvgPool());
    net.add("fc", Linear(6, 4, rng));
    Trainer trainer(net, SGD(net.parameters(), kSgd),
                    {.batch_size = 8, .early_transform = data::resize(4), .early_epochs = 2});
    trainer.fit(quarters(16, 1), quarters(8, 2), {.epochs = epochs, .run = run, .resume = resume});
  };
  const TemporaryFolder folder;
  train(folder / "straight", 3, false);
  const Shape small{8, 4, 4, 2}, large{8, 8, 8, 2};
  CHECK(shapes == std::vector<Shape>{small, small, small, small, large, large});
  train(folder / "parts", 1, false);
  train(folder / "parts", 2, true);
  train(folder / "parts", 3, true);
  CHECK(read_file(folder / "parts/last.ckpt") == read_file(folder / "straight/last.ckpt"));
}

TEST_CASE("accumulating batches is training on larger ones") {
  // No shuffling could make the two see the same batches, so all samples are in one update.
  std::vector<std::vector<Tensor>> results;
  for (const auto& [batch_size, accumulate] : {std::pair<int64_t, int64_t>(24, 1), std::pair<int64_t, int64_t>(5, 8)}) {
    Sequential net = small_net(1, false, /*dropout=*/0);
    Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = batch_size, .accumulate = accumulate});
    CHECK(trainer.fit(quarters(24, 1), nullptr, {.epochs = 3}).steps == 3);
    results.push_back(parameter_copies(net));
  }
  for (size_t i = 0; i < results[0].size(); ++i) CHECK(relative_distance(results[1][i], results[0][i]) < 1e-4);
}

TEST_CASE("long gradients are clipped") {
  Sequential net = small_net(1);
  const std::vector<Tensor> before = parameter_copies(net);
  Recorder recorder;
  Trainer trainer(net, SGD(net.parameters(), {.lr = 1.0}), {.batch_size = 8, .clip_norm = 0.01});
  trainer.fit(quarters(8, 1), nullptr, {.epochs = 1, .listener = &recorder});
  double squares = 0;
  for (size_t i = 0; i < before.size(); ++i) squares += square(norm(net.parameters()[i].value() - before[i]));
  CHECK(recorder.steps[0].gradient_norm > 0.1);
  CHECK_THAT(std::sqrt(squares), Catch::WithinRel(0.01, 1e-3));
}

TEST_CASE("training stops early when validation no longer gets better") {
  Sequential net = small_net(1);
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.0}), {.batch_size = 8});
  const TemporaryFolder folder;
  const TrainResult result =
      trainer.fit(quarters(16, 1), quarters(16, 2), {.epochs = 10, .run = folder.path(), .patience = 3});
  CHECK(result.end == TrainEnd::early_stopped);
  CHECK(result.epochs == 4);
  CHECK(result.best_epoch == 1);

  const TrainResult again = trainer.fit(quarters(16, 1), quarters(16, 2),
                                        {.epochs = 10, .run = folder.path(), .resume = true, .patience = 3});
  CHECK(again.end == TrainEnd::early_stopped);
  CHECK(again.epochs == 4);
  CHECK(again.validation->top1 == result.validation->top1);
}

TEST_CASE("a validation without a finite loss is never the best") {
  Rng rng(1);
  Linear net(2, 1, rng);
  std::atomic<int64_t> validations = 0;
  const Loss loss = [&](const Variable& output, const Tensor& target) {
    const Variable error = squared_error(output, target);
    return is_recording() || ++validations > 1 ? error : error + std::nan("");
  };
  Trainer trainer(net, SGD(net.parameters(), {.lr = 0.1}), {.batch_size = 10, .loss = loss});
  const TrainResult result = trainer.fit(line(40, 1), line(10, 2), {.epochs = 4, .patience = 2});
  CHECK(result.epochs == 4);
  CHECK(result.best_epoch == 4);
}

TEST_CASE("a loss that is no longer finite stops training, with the layer named") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  const std::vector<Tensor> before = parameter_copies(net);
  SECTION("when the loss shows it") {
    for (auto& [name, parameter] : net.named_parameters())
      if (name == "conv2/weight") parameter.value().fill_(3e38);
    Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 8});
    try {
      trainer.fit(quarters(16, 1), nullptr, {.epochs = 1, .run = folder.path()});
      FAIL("must throw");
    } catch (const DivergedError& error) {
      CHECK_THAT(error.what(), Catch::StartsWith("update 1: the loss is ") &&
                                   Catch::Contains(": conv2: conv2d: first non-finite value"));
    }
  }
  SECTION("when only the gradient shows it") {
    const Loss root = [](const Variable& output, const Tensor& target) {
      return sqrt(mul(cross_entropy(output, target), 0.0));  // 0, with an infinite slope
    };
    Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 8, .loss = root});
    try {
      trainer.fit(quarters(16, 1), nullptr, {.epochs = 1, .run = folder.path()});
      FAIL("must throw");
    } catch (const DivergedError& error) {
      CHECK_THAT(error.what(), Catch::StartsWith("update 1: the gradient's norm is ") && Catch::Contains("sqrt: "));
    }
    CHECK(same_bits(parameter_copies(net), before));
  }
  CHECK(folder.listing() == "config.json metrics.jsonl");
}

TEST_CASE("event files are written where they are wanted") {
  const TemporaryFolder folder;
  Sequential net = small_net(1);
  Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 8});
  trainer.fit(quarters(16, 1), quarters(8, 2),
              {.epochs = 2, .run = folder.path(), .tensorboard = true, .histograms_every = 1});
  const std::string events = read_file(folder / "events.out.tfevents.0000000001");
  for (const char* tag : {"train/loss", "train/lr", "train/gradient_norm", "val/loss", "val/top1",
                          "weights/conv1/weight", "gradients/fc/bias"})
    CHECK_THAT(events, Catch::Contains(tag));
}

TEST_CASE("options that make no sense are refused") {
  Sequential net = small_net(1);
  const auto trainer = [&](const TrainerOptions& options) {
    return Trainer(net, SGD(net.parameters(), kSgd), options);
  };
  CHECK_THROWS_MATCHES(trainer({.batch_size = 0}), ShapeError,
                       Catch::Message("Trainer: batch_size must be above 0, got 0"));
  CHECK_THROWS_MATCHES(trainer({.accumulate = 0}), ShapeError,
                       Catch::Message("Trainer: accumulate must be above 0, got 0"));
  CHECK_THROWS_MATCHES(trainer({.clip_norm = -1}), ShapeError,
                       Catch::Message("Trainer: clip_norm must not be negative, got -1"));
  const auto data = quarters(16, 1);
  const auto fit = [&](const FitOptions& options) { trainer({}).fit(data, nullptr, options); };
  CHECK_THROWS_MATCHES(fit({}), ShapeError,
                       Catch::Message("fit: a batch of 32 is larger than the training set of 16 samples"));
  CHECK_THROWS_MATCHES(fit({.epochs = 0}), ShapeError, Catch::Message("fit: epochs must be above 0, got 0"));
  CHECK_THROWS_MATCHES(fit({.patience = -1}), ShapeError, Catch::Message("fit: patience must not be negative, got -1"));
  CHECK_THROWS_MATCHES(fit({.resume = true}), ShapeError, Catch::Message("fit: resume needs the folder of a run"));
  for (const char* text : {"[]", "null", "{\"model\": }", "{\"model\": \"\xFF\"}"}) {
    CHECK_THROWS_MATCHES(fit({.config = text}), ShapeError, Catch::Message("fit: config is not a JSON object"));
    CHECK_THROWS_MATCHES(fit({.about_data = text}), ShapeError, Catch::Message("fit: about_data is not a JSON object"));
  }
  CHECK_THROWS_MATCHES(trainer({.batch_size = 4}).fit(data, nullptr, {.patience = 1}), ShapeError,
                       Catch::Message("fit: patience needs validation data"));
  CHECK_THROWS_MATCHES(trainer({}).fit(nullptr), ShapeError, Catch::Message("fit: no training data"));
}

TEST_CASE("memory does not grow from epoch to epoch, ragged batches or not") {
  const ThreadsGuard one(1);
  Sequential net = small_net(1);
  struct Watch : TrainListener {
    void on_epoch(const EpochReport&) override {
      const memory::Stats stats = memory::stats();
      bytes.push_back(stats.bytes_in_use + stats.bytes_cached);
    }
    std::vector<int64_t> bytes;
  } watch;
  Trainer trainer(net, SGD(net.parameters(), kSgd), {.batch_size = 16});
  trainer.fit(quarters(41, 1), quarters(23, 2), {.epochs = 8, .reading = {.workers = 0}, .listener = &watch});
  CHECK(watch.bytes.back() == watch.bytes[1]);
}
