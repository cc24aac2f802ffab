#include <kindling/compress/kmeans.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kindling/tensor/check.h>
#include <kindling/tensor/rng.h>

namespace kindling {
namespace {

/// Sums over intervals of sorted values.
class Intervals {
 public:
  explicit Intervals(const std::vector<double>& values) : values_(values) {
    // Around the mean, where the two terms of error() cancel least.
    for (const double value : values) centre_ += value / static_cast<double>(values.size());
    sums_.reserve(values.size() + 1), squares_.reserve(values.size() + 1);
    sums_.push_back(0), squares_.push_back(0);
    for (const double value : values) {
      const double x = value - centre_;
      sums_.push_back(sums_.back() + x);
      squares_.push_back(squares_.back() + x * x);
    }
  }

  int64_t size() const { return std::ssize(values_); }
  double operator[](int64_t i) const { return values_[static_cast<size_t>(i)]; }
  double mean(int64_t begin, int64_t end) const { return centre_ + sum(begin, end) / static_cast<double>(end - begin); }
  /// Sum of (x - centroid)^2 over [begin, end).
  double error(int64_t begin, int64_t end, double centroid) const {
    const double c = centroid - centre_, n = static_cast<double>(end - begin);
    return std::max(0.0, of(squares_, begin, end) - 2 * c * sum(begin, end) + n * c * c);
  }
  /// The same with the mean of [begin, end) for the centroid.
  double error(int64_t begin, int64_t end) const {
    const double s = sum(begin, end);
    return std::max(0.0, of(squares_, begin, end) - s * s / static_cast<double>(end - begin));
  }
  /// The number of values that are at most `limit`.
  int64_t count(double limit) const {
    return std::upper_bound(values_.begin(), values_.end(), limit) - values_.begin();
  }

 private:
  static double of(const std::vector<double>& prefix, int64_t begin, int64_t end) {
    return prefix[static_cast<size_t>(end)] - prefix[static_cast<size_t>(begin)];
  }
  double sum(int64_t begin, int64_t end) const { return of(sums_, begin, end); }

  const std::vector<double>& values_;
  double centre_ = 0;
  std::vector<double> sums_, squares_;
};

std::vector<double> start_of(const Intervals& x, int64_t k, const KMeansOptions& options) {
  const auto n = x.size();
  const double low = x[0], high = x[n - 1];
  Rng rng(options.seed);
  std::vector<double> centroids;
  for (int64_t i = 0; i < k; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(k);
    const auto of_rank = [&](double rank) { return x[std::min(n - 1, static_cast<int64_t>(rank))]; };
    switch (options.start) {
      case KMeansStart::linear:
        centroids.push_back(k == 1 ? (low + high) / 2
                                   : low + (high - low) * static_cast<double>(i) / static_cast<double>(k - 1));
        break;
      case KMeansStart::density:
        centroids.push_back(of_rank(share * static_cast<double>(n)));
        break;
      default:
        centroids.push_back(x[rng.next_below(n)]);
    }
  }
  std::sort(centroids.begin(), centroids.end());
  return centroids;
}

/// Where the clusters of these ascending centroids end.
std::vector<int64_t> nearest(const Intervals& x, const std::vector<double>& centroids) {
  std::vector<int64_t> ends;
  for (size_t i = 0; i + 1 < centroids.size(); ++i)
    ends.push_back(x.count(centroids[i] + (centroids[i + 1] - centroids[i]) / 2));
  ends.push_back(x.size());
  return ends;
}

/// Calls f(cluster, begin, end) for those that are not empty.
template <class F>
void for_each_cluster(const std::vector<int64_t>& ends, F f) {
  int64_t begin = 0;
  for (size_t i = 0; i < ends.size(); begin = ends[i++])
    if (ends[i] > begin) f(i, begin, ends[i]);
}

/// Gives the clusters that are empty a half each of those with the largest error, cut at their
/// mean.
void fill_empty(const Intervals& x, std::vector<int64_t>& ends) {
  for (;;) {
    size_t used = 0, widest = 0;
    int64_t cut = 0;
    double most = 0;
    for_each_cluster(ends, [&](size_t i, int64_t begin, int64_t end) {
      ++used;
      const double error = x.error(begin, end);
      if (x[begin] == x[end - 1] || error < most) return;
      widest = i, most = error, cut = x.count(x.mean(begin, end));
    });
    if (used == ends.size() || cut == 0) return;
    int64_t begin = 0;
    size_t empty = 0;
    while (ends[empty] > begin) begin = ends[empty++];
    ends.erase(ends.begin() + static_cast<int64_t>(empty));
    ends.insert(ends.begin() + static_cast<int64_t>(widest) - (empty < widest), cut);
  }
}

KMeans lloyd(const Intervals& x, int64_t k, const KMeansOptions& options) {
  KMeans result{.centroids = start_of(x, k, options)};
  result.ends = nearest(x, result.centroids);
  for_each_cluster(result.ends, [&](size_t i, int64_t begin, int64_t end) {
    result.start_error += x.error(begin, end, result.centroids[i]);
  });
  fill_empty(x, result.ends);
  for (bool changed = true; changed && result.steps < options.most_steps; ++result.steps) {
    for_each_cluster(result.ends,
                     [&](size_t i, int64_t begin, int64_t end) { result.centroids[i] = x.mean(begin, end); });
    std::vector<int64_t> ends = nearest(x, result.centroids);
    fill_empty(x, ends);
    changed = ends != result.ends;
    result.ends = std::move(ends);
  }
  return result;
}

/// The clusters of least error: D[k][j] = min over i of D[k-1][i] + error(i, j). The best i grows
/// with j, so a row is found by halves: that of the middle j bounds those of the others.
class Optimum {
 public:
  Optimum(const Intervals& x, int64_t k) : x_(x), n_(x.size()) {
    const auto size = static_cast<size_t>(n_) + 1;
    before_.assign(size, std::numeric_limits<double>::infinity());
    before_[0] = 0;
    for (int64_t row = 0; row < k; ++row) {
      now_.assign(size, std::numeric_limits<double>::infinity());
      best_.emplace_back(size);
      fill(row + 1, n_, row, n_ - 1);
      std::swap(before_, now_);
    }
  }

  std::vector<int64_t> ends() const {
    std::vector<int64_t> ends;
    int64_t end = n_;
    for (auto row = best_.rbegin(); row != best_.rend(); ++row) {
      ends.insert(ends.begin(), end);
      end = (*row)[static_cast<size_t>(end)];
    }
    return ends;
  }

 private:
  /// The columns [low, high] of the row, whose best i are in [first, last].
  void fill(int64_t low, int64_t high, int64_t first, int64_t last) {
    if (low > high) return;
    const int64_t j = low + (high - low) / 2;
    double least = std::numeric_limits<double>::infinity();
    int64_t best = first;
    for (int64_t i = first; i <= std::min(last, j - 1); ++i)
      if (const double cost = before_[static_cast<size_t>(i)] + x_.error(i, j); cost < least) {
        least = cost;
        best = i;
      }
    now_[static_cast<size_t>(j)] = least;
    best_.back()[static_cast<size_t>(j)] = static_cast<int32_t>(best);
    fill(low, j - 1, first, best);
    fill(j + 1, high, best, last);
  }

  const Intervals& x_;
  int64_t n_;
  std::vector<double> before_, now_;        ///< the least errors of the first j values, rows k - 1 and k
  std::vector<std::vector<int32_t>> best_;  ///< of each row
};

}  // namespace

KMeans kmeans(const std::vector<double>& sorted, const KMeansOptions& options) {
  check(options.clusters > 0, "kmeans", "needs a positive number of clusters, got ", options.clusters);
  if (sorted.empty()) return {};
  const Intervals x(sorted);
  int64_t different = 1;
  for (int64_t i = 1; i < x.size() && different <= options.clusters; ++i) different += x[i] != x[i - 1];

  KMeans found;
  if (different <= options.clusters) {
    for (int64_t i = 1; i <= x.size(); ++i)
      if (i == x.size() || x[i] != x[i - 1]) found.ends.push_back(i);
  } else if (options.start == KMeansStart::optimal) {
    found.ends = Optimum(x, options.clusters).ends();
  } else {
    found = lloyd(x, options.clusters, options);
  }
  KMeans result{.start_error = found.start_error, .steps = found.steps};
  for_each_cluster(found.ends, [&](size_t, int64_t begin, int64_t end) {
    const bool equal = x[begin] == x[end - 1];
    result.centroids.push_back(equal ? x[begin] : x.mean(begin, end));
    result.ends.push_back(end);
    if (!equal) result.error += x.error(begin, end);
  });
  if (found.centroids.empty()) result.start_error = result.error;
  return result;
}

}  // namespace kindling
