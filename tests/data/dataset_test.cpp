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
