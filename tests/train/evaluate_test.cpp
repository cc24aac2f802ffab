#include <kindling/train/evaluate.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

#include <kindling/nn/loss.h>

#include "small_problem.h"

using namespace kindling;

namespace {

/// Gives its input back, so that the outputs are known.
struct Identity : Module {
  std::string kind() const override { return "Identity"; }
  Variable forward(const Variable& x) override { return x; }
};

/// Every third sample cannot be read.
struct Damaged : data::TensorDataset {
  using TensorDataset::TensorDataset;
  data::Sample get(int64_t index) const override {
    if (index % 3 == 0) throw FileError("sample " + std::to_string(index) + ": damaged");
    return TensorDataset::get(index);
  }
};

/// Remembers the memory of what it has read, but does not keep it.
struct Watched : data::TensorDataset {
  using TensorDataset::TensorDataset;
  data::Sample get(int64_t index) const override {
    data::Sample sample = TensorDataset::get(index);
    sample.input = sample.input.clone();
    read.push_back(sample.input.storage());
    return sample;
  }
  int64_t alive() const {
    return std::count_if(read.begin(), read.end(), [](const auto& memory) { return !memory.expired(); });
  }
  mutable std::vector<std::weak_ptr<Storage>> read;
};

Tensor logits_for(const std::vector<int64_t>& largest, int64_t classes) {
  Tensor logits = Tensor::zeros({static_cast<int64_t>(largest.size()), classes});
  for (size_t i = 0; i < largest.size(); ++i) logits.at<float>({static_cast<int64_t>(i), largest[i]}) = 1.0F;
  return logits;
}

}  // namespace

TEST_CASE("accuracy and loss are those of the whole set, ragged batch included") {
  Identity net;
  const Tensor logits = logits_for({0, 1, 2, 3, 4, 5, 0}, 6);
  const auto dataset = std::make_shared<data::TensorDataset>(logits, Tensor::from<int64_t>({0, 1, 2, 3, 4, 0, 5}));
  int64_t reported = 0;
  const Evaluation result = evaluate(net, dataset, {.batch_size = 3, .progress = [&](int64_t done, int64_t total) {
                                                      CHECK(total == 7);
                                                      reported = done;
                                                    }});
  CHECK(result.samples == 7);
  CHECK(reported == 7);
  CHECK(*result.top1 == 100.0 * 5 / 7);
  CHECK(*result.top5 == 100.0 * 6 / 7);
  const double right = std::log(std::exp(1.0) + 5) - 1, wrong = right + 1;
  CHECK_THAT(result.loss, Catch::WithinRel((5 * right + 2 * wrong) / 7, 1e-6));
  CHECK(result.images_per_second > 0);
  CHECK(result.skipped.empty());
}

TEST_CASE("class weights weigh samples across batches and parts") {
  Identity net;
  const Tensor logits = logits_for({0, 1, 2, 0, 0, 2, 1}, 3);
  const auto dataset = std::make_shared<data::TensorDataset>(logits, Tensor::from<int64_t>({0, 1, 2, 2, 1, 0, 1}));
  const std::vector<double> weights{1, 4, 16};
  const double right = std::log(std::exp(1.0) + 2) - 1, wrong = right + 1;
  // Of the right ones 1 + 4 + 16 + 4, of the wrong ones 16 + 4 + 1.
  const double expected = (25 * right + 21 * wrong) / 46;
  for (const int64_t batch_size : {1, 3, 7}) {
    const Evaluation result =
        evaluate(net, dataset, {.loss = classification({.class_weights = weights}), .batch_size = batch_size});
    CHECK_THAT(result.loss, Catch::WithinRel(expected, 1e-6));
    CHECK(*result.top1 == 100.0 * 4 / 7);  // of samples, whatever they weigh
  }
}

TEST_CASE("every sample of a classifier is in the confusion matrix, whatever the threads") {
  Identity net;
  const auto dataset = std::make_shared<data::TensorDataset>(logits_for({0, 1, 2, 0, 0, 2, 1}, 3),
                                                             Tensor::from<int64_t>({0, 1, 2, 1, 0, 1, 1}));
  for (const int threads : {1, 4}) {
    const ThreadsGuard guard(threads);
    const Evaluation result = evaluate(net, dataset, {.batch_size = 4});
    REQUIRE(result.confusion);
    CHECK(result.confusion->classes() == 3);
    CHECK(result.confusion->count(0, 0) == 2);
    CHECK(result.confusion->count(1, 1) == 2);
    CHECK(result.confusion->count(1, 0) == 1);
    CHECK(result.confusion->count(1, 2) == 1);
    CHECK(result.confusion->count(0, 1) == 0);
    CHECK(*result.confusion->top1(1) == 50.0);
    CHECK_FALSE(result.top5);
  }
}

TEST_CASE("the most certain mistakes are kept, whatever the batches") {
  Identity net;
  Tensor logits = logits_for({0, 1, 2, 0, 0, 2, 1}, 3);
  logits.at<float>({6, 0}) = 5;  // most certain, of label 1
  logits.at<float>({3, 0}) = 3;
  const auto dataset = std::make_shared<data::TensorDataset>(logits, Tensor::from<int64_t>({0, 1, 2, 1, 2, 1, 1}));
  for (const int64_t batch_size : {1, 3, 7}) {
    const std::vector<Mistake> worst = evaluate(net, dataset, {.batch_size = batch_size, .mistakes = 2}).mistakes;
    REQUIRE(worst.size() == 2);
    CHECK(worst[0].sample == 6);
    CHECK(worst[0].label == 1);
    CHECK(worst[0].answer == 0);
    const double e = std::exp(5.0);
    CHECK_THAT(worst[0].probability, Catch::WithinRel(e / (e + std::exp(1.0) + 1), 1e-6));
    CHECK(worst[1].sample == 3);
  }
  CHECK(evaluate(net, dataset).mistakes.empty());
}

TEST_CASE("a regression has its loss and the user's metrics, but no accuracy") {
  Identity net;
  const auto dataset =
      std::make_shared<data::TensorDataset>(Tensor::from<float>({1, 2, 3, 4, 5}, {5, 1}), Tensor::zeros({5, 1}));
  const Metric largest{"mean", [](const Tensor& output, const Tensor&) {
                         double sum = 0;
                         for (const float y : output.to_vector<float>()) sum += y;
                         return sum / static_cast<double>(output.size(0));
                       }};
  const Evaluation result =
      evaluate(net, dataset,
               {.loss = [](const Variable& output, const Tensor& target) { return mse_loss(output, target); },
                .metrics = {largest},
                .batch_size = 2});
  CHECK(result.loss == (1 + 4 + 9 + 16 + 25) / 5.0);
  CHECK(result.metrics == std::map<std::string, double>{{"mean", 3.0}});
  CHECK_FALSE(result.top1);
  CHECK_FALSE(result.confusion);
}

TEST_CASE("evaluation leaves the model as it was, and its bits do not depend on threads") {
  for (const bool batch_norm : {false, true}) {
    Sequential net = small_net(1, batch_norm);
    net.at("drop").eval();
    const auto dataset = quarters(50, 2);
    double expected = 0;
    for (const int threads : {1, 2, 4}) {
      const ThreadsGuard guard(threads);
      const double loss = evaluate(net, dataset, {.batch_size = 16}).loss;
      if (threads == 1) expected = loss;
      CHECK(loss == expected);
    }
    CHECK(net.training());
    CHECK(net.at("fc").training());
    CHECK_FALSE(net.at("drop").training());
    for (const auto& [name, buffer] : net.named_buffers())
      CHECK(bitwise_equal(buffer, name == "norm1/running_var" ? Tensor::ones({6}) : Tensor::zeros({6})));
  }
}

TEST_CASE("pixels are brought to -2..2 where there is no transform") {
  Identity net;
  const Tensor pixels = Tensor::from<uint8_t>({0, 51, 255, 102}, {1, 1, 2, 2});
  const auto dataset = std::make_shared<data::TensorDataset>(pixels, Tensor::zeros({1, 1}));
  std::vector<float> seen;
  const Loss loss = [&](const Variable& output, const Tensor&) {
    seen = output.value().to_vector<float>();
    return Variable(Tensor::scalar(0));
  };
  evaluate(net, dataset, {.loss = loss, .batch_size = 1});
  CHECK(seen == std::vector<float>{-2.0F, -1.2F, 2.0F, -0.4F});
}

TEST_CASE("samples that cannot be read are left out and named, or stop the evaluation") {
  Identity net;
  const auto dataset = std::make_shared<Damaged>(logits_for({0, 1, 2, 3}, 4), Tensor::from<int64_t>({1, 1, 2, 1}));
  const Evaluation result = evaluate(net, dataset, {.batch_size = 2});
  CHECK(result.samples == 2);
  CHECK(*result.top1 == 100.0);
  CHECK(result.skipped.size() == 2);
  CHECK_THROWS_AS(evaluate(net, dataset, {.batch_size = 2, .reading = {.strict = true}}), FileError);
}

TEST_CASE("evaluate() keeps no sample in memory, and an Evaluator reads each one once") {
  Identity net;
  const auto dataset = std::make_shared<Watched>(logits_for({0, 1, 2, 3}, 4), Tensor::from<int64_t>({1, 1, 2, 1}));
  int64_t alive = -1;
  const EvaluateOptions options{
      .batch_size = 2, .reading = {.workers = 0}, .progress = [&](int64_t done, int64_t total) {
        if (done == total) alive = dataset->alive();
      }};
  evaluate(net, dataset, options);
  CHECK(alive == 0);
  CHECK(dataset->read.size() == 4);
  Evaluator evaluator(dataset, options);
  evaluator.run(net);
  CHECK(alive == 4);
  evaluator.run(net);
  CHECK(dataset->read.size() == 8);
}

TEST_CASE("an evaluation can be stopped") {
  Identity net;
  const std::atomic<bool> stop{true};
  CHECK_THROWS_AS(evaluate(net, quarters(4, 1), {.batch_size = 2, .stop = &stop}), Stopped);
}
