#include <kindling/compress/kmeans.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include <kindling/tensor/tensor.h>

using namespace kindling;
using Catch::Matchers::Contains;
using Catch::Matchers::WithinRel;

namespace {

constexpr KMeansStart kStarts[] = {KMeansStart::linear, KMeansStart::density, KMeansStart::random};

std::vector<double> sorted_normal(int64_t n, uint64_t seed) {
  Rng rng(seed);
  auto values = Tensor::normal({n}, 0, 1, rng, DType::f64).to_vector<double>();
  std::sort(values.begin(), values.end());
  return values;
}

/// Sum of the squared distances to the nearest centroid, value by value.
double plain_error(const std::vector<double>& values, const std::vector<double>& centroids) {
  double sum = 0;
  for (const double value : values) {
    double least = std::numeric_limits<double>::infinity();
    for (const double centroid : centroids) least = std::min(least, (value - centroid) * (value - centroid));
    sum += least;
  }
  return sum;
}

/// The least error of all ways to cut values [begin, n) into at most k intervals.
double least_error(const std::vector<double>& values, size_t begin, int64_t k) {
  if (begin == values.size()) return 0;
  if (k == 0) return std::numeric_limits<double>::infinity();
  double best = std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t end = begin + 1; end <= values.size(); ++end) {
    sum += values[end - 1];
    double error = 0;
    for (size_t i = begin; i < end; ++i) error += std::pow(values[i] - sum / static_cast<double>(end - begin), 2);
    best = std::min(best, error + least_error(values, end, k - 1));
  }
  return best;
}

}  // namespace

TEST_CASE("kmeans: Lloyd's steps end where every value is with its nearest centroid, the mean of its cluster") {
  const auto values = sorted_normal(2000, 1);
  for (const KMeansStart start : kStarts) {
    const KMeans found = kmeans(values, {.clusters = 15, .start = start, .seed = 7});
    CAPTURE(static_cast<int>(start), found.steps);
    REQUIRE(found.centroids.size() == 15);
    CHECK(found.steps > 1);
    CHECK(found.error < found.start_error);
    CHECK_THAT(found.error, WithinRel(plain_error(values, found.centroids), 1e-9));  // prefix sums cancel
    int64_t begin = 0;
    for (size_t i = 0; i < 15; begin = found.ends[i++]) {
      double sum = 0;
      for (int64_t j = begin; j < found.ends[i]; ++j) sum += values[static_cast<size_t>(j)];
      CHECK_THAT(found.centroids[i], WithinRel(sum / static_cast<double>(found.ends[i] - begin), 1e-9));
    }
    CHECK(found.ends.back() == 2000);
  }
}

TEST_CASE("kmeans: the starts are those of Deep Compression") {
  const std::vector<double> values{0, 1, 2, 3, 4, 5, 6, 90, 95, 100};
  const auto start_error = [&](KMeansStart start) {
    return kmeans(values, {.clusters = 3, .start = start, .seed = 1}).start_error;
  };
  CHECK_THAT(start_error(KMeansStart::linear), WithinRel(plain_error(values, {0, 50, 100}), 1e-12));
  CHECK_THAT(start_error(KMeansStart::density), WithinRel(plain_error(values, {1, 5, 95}), 1e-12));
}

TEST_CASE("kmeans: the optimum is the least of all errors, and no start of Lloyd's is below it") {
  const auto few = sorted_normal(12, 2);
  for (const int64_t k : {1, 2, 3, 5})
    CHECK_THAT(kmeans(few, {.clusters = k, .start = KMeansStart::optimal}).error,
               WithinRel(least_error(few, 0, k), 1e-9));
  const auto many = sorted_normal(3000, 3);
  const double optimum = kmeans(many, {.clusters = 31, .start = KMeansStart::optimal}).error;
  for (const KMeansStart start : kStarts)
    CHECK(kmeans(many, {.clusters = 31, .start = start}).error >= optimum * (1 - 1e-12));
}

TEST_CASE("kmeans: few different values are their own centroids, exactly") {
  const KMeansStart start = GENERATE(KMeansStart::linear, KMeansStart::optimal);
  const double third = 1.0 / 3;
  const KMeans found = kmeans({-third, -third, 0.1, 0.1, 0.7}, {.clusters = 3, .start = start});
  CHECK(found.centroids == std::vector<double>{-third, 0.1, 0.7});
  CHECK(found.ends == std::vector<int64_t>{2, 4, 5});
  CHECK(found.error == 0);
}

TEST_CASE("kmeans: no cluster stays empty, however far apart the values are") {
  const KMeans found = kmeans({0, 0.1, 0.5, 0.6, 100, 100.1}, {.clusters = 4});  // two start between the groups
  CHECK(found.ends == std::vector<int64_t>{2, 4, 5, 6});
  const KMeans middle = kmeans({-100, 0, 0.1, 0.2, 0.3, 100}, {.clusters = 5});
  CHECK(middle.centroids.size() == 5);
  CHECK(middle.error < 0.0101);
}

TEST_CASE("kmeans: nothing, one cluster, and errors") {
  CHECK(kmeans({}).centroids.empty());
  CHECK_THAT(kmeans({1, 2, 6}, {.clusters = 1}).centroids.at(0), WithinRel(3.0, 1e-12));
  CHECK_THROWS_WITH(kmeans({1}, {.clusters = 0}), Contains("a positive number of clusters, got 0"));
}
