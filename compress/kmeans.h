// k-means of numbers: in one dimension clusters are intervals of the sorted values.
#pragma once

#include <cstdint>
#include <vector>

namespace kindling {

/// Where Lloyd's steps begin (arXiv:1510.00149, section 3.2), or the best of all clusterings.
enum class KMeansStart : uint8_t {
  linear,   ///< at equal distances from the smallest to the largest value: large values, of which there are few, count
  density,  ///< at equal steps of rank: centroid i has (i + 1/2) / k of the values below it
  random,   ///< at k different values
  optimal,  ///< no steps: the least error of all, by dynamic programming. O(k n log n), and 4 k n bytes
};

struct KMeansOptions {
  int64_t clusters = 255;  ///< at most so many
  KMeansStart start = KMeansStart::linear;
  int64_t most_steps = 1000;  ///< of Lloyd; it ends when no value changes its cluster
  uint64_t seed = 0;          ///< of `random`
};

struct KMeans {
  std::vector<double> centroids = {};  ///< ascending; each is the mean of its cluster, and none is empty
  std::vector<int64_t> ends = {};      ///< of the clusters, in the sorted values: cluster i has [ends[i - 1], ends[i])
  double error = 0;                    ///< sum over all values of (value - centroid)^2
  double start_error = 0;              ///< that of the start, each value with the nearest of its centroids
  int64_t steps = 0;
};

/// Clusters of `sorted`, ascending finite values. Each of Lloyd's steps is exact and takes O(k log
/// n): a cluster ends half way between two centroids, and its mean comes from prefix sums. A value
/// half way belongs to the lower one. Values that are fewer than the clusters are their own
/// centroids. Throws ShapeError if `clusters` is below 1.
KMeans kmeans(const std::vector<double>& sorted, const KMeansOptions& options = {});

}  // namespace kindling
