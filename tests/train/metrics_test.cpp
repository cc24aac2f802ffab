#include <kindling/train/metrics.h>

#include <catch2/catch.hpp>
#include <cmath>

#include <kindling/tensor/check.h>

using namespace kindling;

TEST_CASE("top-k counts labels among the k largest outputs") {
  const Tensor output = Tensor::from<float>({0.1F, 0.7F, 0.2F, 0.9F, 0.0F, 0.5F}, {2, 3});
  const Tensor target = Tensor::from<int64_t>({2, 2});
  CHECK(top_k_hits(output, target, 1) == 0);
  CHECK(top_k_hits(output, target, 2) == 2);
  CHECK(top_k_hits(output, Tensor::from<int64_t>({1, 1}), 1) == 1);
  CHECK(top_k_hits(output, target, 5) == 2);
}

TEST_CASE("of equal outputs the lower class number comes first, and NaN is never right") {
  const auto hits = [](std::vector<float> row, int64_t label, int64_t k) {
    const auto classes = static_cast<int64_t>(row.size());
    return top_k_hits(Tensor::from(row, {1, classes}), Tensor::from<int64_t>({label}), k);
  };
  CHECK(hits({1, 1, 1}, 0, 1) == 1);
  CHECK(hits({1, 1, 1}, 2, 1) == 0);
  CHECK(hits({1, 1, 1}, 2, 3) == 1);
  CHECK(hits({NAN, 1, NAN}, 0, 1) == 0);
  CHECK(hits({NAN, NAN, NAN}, 0, 3) == 0);
  CHECK(hits({NAN, 1, 2}, 2, 1) == 1);
}

TEST_CASE("top-k refuses shapes and labels that do not fit") {
  const Tensor output = Tensor::zeros({2, 3});
  CHECK_THROWS_MATCHES(
      top_k_hits(output, Tensor::zeros({3}, DType::i64), 1), ShapeError,
      Catch::Message("top_k_hits: needs outputs [N, classes] and class numbers [N], got f32 [2, 3] and i64 [3]"));
  CHECK_THROWS_MATCHES(
      top_k_hits(output, Tensor::zeros({2}), 1), ShapeError,
      Catch::Message("top_k_hits: needs outputs [N, classes] and class numbers [N], got f32 [2, 3] and f32 [2]"));
  CHECK_THROWS_MATCHES(top_k_hits(output, Tensor::from<int64_t>({0, 3}), 1), ShapeError,
                       Catch::Message("top_k_hits: label 3 for 3 classes"));
}

TEST_CASE("totals of parts add up to those of the whole") {
  const Tensor output = Tensor::from<double>({3, 2, 1, 0, 5, 4, 0, 0, 1}, {3, 3});
  const Tensor target = Tensor::from<int64_t>({0, 2, 2});
  const Totals whole = measure(output, target, 0.5, 3);
  Totals parts = measure(output.slice(0, 0, 2), target.slice(0, 0, 2), 0.5, 2);
  parts.add(measure(output.slice(0, 2, 3), target.slice(0, 2, 3), 0.5, 1));
  CHECK(whole.samples == 3);
  CHECK(whole.hits1 == 2);
  CHECK(parts.samples == whole.samples);
  CHECK(parts.hits1 == whole.hits1);
  CHECK(parts.hits5 == 3);
  CHECK(parts.mean_loss() == 0.5);
  CHECK(*parts.top1() == 100.0 * 2 / 3);
  CHECK_FALSE(parts.top5());  // of three classes it says nothing
}

TEST_CASE("top-5 is known for more than five classes") {
  const Tensor target = Tensor::from<int64_t>({4, 0});
  CHECK_FALSE(measure(Tensor::zeros({2, 5}), target, 0.5, 2).top5());
  CHECK(*measure(Tensor::zeros({2, 6}), target, 0.5, 2).top5() == 100.0);
  CHECK(*measure(Tensor::zeros({2, 6}), Tensor::from<int64_t>({4, 5}), 0.5, 2).top5() == 50.0);
  Totals totals = measure(Tensor::zeros({2, 6}), target, 0.5, 2);
  totals.add(measure(Tensor::zeros({2, 1}), Tensor::zeros({2, 1}), 1.0, 2));
  CHECK_FALSE(totals.top1());
}

TEST_CASE("outputs that are no classifier's have no accuracy") {
  Totals totals = measure(Tensor::zeros({2, 1}), Tensor::zeros({2, 1}), 1.0, 2);
  CHECK_FALSE(totals.top1());
  CHECK_FALSE(totals.top5());
  CHECK_FALSE(Totals().top1());
}
