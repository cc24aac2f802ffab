#include <kindling/data/dataset.h>

#include <numeric>
#include <set>

#include <catch2/catch.hpp>

using namespace kindling;
using namespace kindling::data;
using Catch::Matchers::Message;

namespace {

DatasetPtr counting(int64_t size) {
  return std::make_shared<TensorDataset>(Tensor::arange(size).to(DType::f32).reshape({size, 1}), Tensor::arange(size),
                                         std::vector<std::string>{"even", "odd"});
}

/// Samples of class 0, 1, ... one after the other, so many of each.
DatasetPtr with_classes(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> labels;
  for (size_t label = 0; label < sizes.size(); ++label)
    labels.insert(labels.end(), static_cast<size_t>(sizes[label]), static_cast<int64_t>(label));
  const auto count = static_cast<int64_t>(labels.size());
  return std::make_shared<TensorDataset>(Tensor::arange(count), Tensor::from(labels, {count}));
}

std::vector<int64_t> counts(const Dataset& dataset, size_t classes) {
  std::vector<int64_t> result(classes);
  for (int64_t i = 0; i < dataset.size(); ++i) ++result[static_cast<size_t>(dataset.label(i))];
  return result;
}

/// Of samples that are numbers.
std::set<int64_t> numbers(const Dataset& dataset) {
  std::set<int64_t> result;
  for (int64_t i = 0; i < dataset.size(); ++i) result.insert(dataset.get(i).input.item<int64_t>());
  return result;
}

std::vector<int64_t> targets(const Dataset& dataset) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.get(i).target.item<int64_t>());
  return result;
}

}  // namespace

TEST_CASE("TensorDataset gives element i of both tensors") {
  const DatasetPtr dataset = counting(5);
  CHECK(dataset->size() == 5);
  CHECK(dataset->get(3).input.shape() == Shape{1});
  CHECK(dataset->get(3).input.item<float>() == 3);
  CHECK(targets(*dataset) == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(dataset->describe(3) == "#3");
  CHECK(dataset->classes() == std::vector<std::string>{"even", "odd"});
  CHECK_THROWS_MATCHES(dataset->get(5), ShapeError, Message("TensorDataset: sample 5 of 5"));
  CHECK_THROWS_MATCHES(TensorDataset(Tensor::zeros({3, 2}), Tensor::zeros({4})), ShapeError,
                       Message("TensorDataset: needs one target for each input: inputs [3, 2], targets [4]"));
}

TEST_CASE("Subset picks, in the order given") {
  const Subset subset(counting(10), {7, 2, 2});
  CHECK(targets(subset) == std::vector<int64_t>{7, 2, 2});
  CHECK(subset.describe(0) == "#7");
  CHECK(subset.classes().size() == 2);
  CHECK_THROWS_MATCHES(subset.get(-1), ShapeError, Message("Subset: sample -1 of 3"));
  CHECK_THROWS_MATCHES(Subset(counting(10), {0, 10}), ShapeError, Message("Subset: sample 10 of 10"));
}

TEST_CASE("split holds out a seeded share and loses nothing") {
  const Splits parts = split(counting(100), {.share = 0.2, .seed = 1});
  CHECK(parts.train->size() == 80);
  CHECK(parts.val->size() == 20);
  CHECK(parts.test == nullptr);
  std::vector<int64_t> all = targets(*parts.train), held_out = targets(*parts.val);
  CHECK(std::is_sorted(all.begin(), all.end()));
  CHECK(std::is_sorted(held_out.begin(), held_out.end()));
  CHECK(held_out != std::vector<int64_t>(held_out.size(), 0));
  all.insert(all.end(), held_out.begin(), held_out.end());
  CHECK(std::set<int64_t>(all.begin(), all.end()).size() == 100);

  CHECK(targets(*split(counting(100), {.share = 0.2, .seed = 1}).val) == held_out);
  CHECK(targets(*split(counting(100), {.share = 0.2, .seed = 2}).val) != held_out);
  CHECK(split(counting(3), {.share = 0.01}).val->size() == 1);
}

TEST_CASE("split holds nothing out for a share of 0") {
  const Splits parts = split(counting(5), {.share = 0});
  CHECK(targets(*parts.train) == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(parts.val == nullptr);
  CHECK(split(counting(1), {.share = 0}).train->size() == 1);
}

TEST_CASE("split refuses shares that leave a part empty") {
  CHECK_THROWS_MATCHES(split(counting(5), {.share = -0.1}), ShapeError,
                       Message("split: needs a share from 0 to below 1, got -0.1"));
  CHECK_THROWS_MATCHES(split(counting(5), {.share = 1}), ShapeError,
                       Message("split: needs a share from 0 to below 1, got 1"));
  CHECK_THROWS_MATCHES(split(counting(1), {.share = 0.5}), ShapeError,
                       Message("split: needs at least two samples, got 1"));
  CHECK_THROWS_MATCHES(split(counting(3), {.share = 0.9}), ShapeError,
                       Message("split: a share of 0.9 leaves none of 3 samples to train on"));
}

TEST_CASE("labels and origins go through subsets") {
  const DatasetPtr all = with_classes({2, 3});
  const auto some = std::make_shared<Subset>(all, std::vector<int64_t>{4, 0, 2});
  const Subset few(some, {2, 0});
  CHECK(some->label(0) == 1);
  CHECK(some->label(1) == 0);
  CHECK(few.origin(0) == 2);
  CHECK(few.origin(1) == 4);
  CHECK(Wrapped(some).origin(0) == 4);
  CHECK(Wrapped(some).label(1) == 0);
  CHECK_THROWS_MATCHES(few.label(2), ShapeError, Message("Subset: sample 2 of 2"));
}

TEST_CASE("draw takes as many of each class as possible, in the order of the data set") {
  const DatasetPtr all = with_classes({10, 3, 7});
  CHECK(counts(*draw(all, 9), 3) == std::vector<int64_t>{3, 3, 3});
  CHECK(counts(*draw(all, 10), 3) == std::vector<int64_t>{4, 3, 3});
  CHECK(counts(*draw(all, 15), 3) == std::vector<int64_t>{6, 3, 6});
  CHECK(counts(*draw(all, 2), 3) == std::vector<int64_t>{1, 1, 0});
  CHECK(draw(all, 0)->size() == 0);
  CHECK(numbers(*draw(all, 20)) == numbers(*all));
  const DatasetPtr drawn = draw(all, 15);
  for (int64_t i = 1; i < drawn->size(); ++i) CHECK(drawn->origin(i - 1) < drawn->origin(i));
  CHECK_THROWS_MATCHES(draw(all, 21), ShapeError, Message("draw: 21 samples of 20"));
}

TEST_CASE("draw takes the same samples whatever is held out, and fewer are among more") {
  const DatasetPtr all = with_classes({200, 200});
  const std::set<int64_t> drawn = numbers(*draw(all, 100)), fewer = numbers(*draw(all, 30));
  CHECK(std::includes(drawn.begin(), drawn.end(), fewer.begin(), fewer.end()));
  std::vector<int64_t> first(100);
  std::iota(first.begin(), first.end(), 0);
  CHECK(drawn != std::set<int64_t>(first.begin(), first.end()));  // they are spread over the class
  CHECK(*fewer.begin() < 50);
  for (const uint64_t seed : {1, 2}) {
    const Splits parts = split(all, {.share = 0.1, .seed = seed});
    const std::set<int64_t> now = numbers(*draw(parts.train, 100)), held_out = numbers(*parts.val);
    for (const int64_t number : drawn) CHECK(now.contains(number) != held_out.contains(number));
  }
}
