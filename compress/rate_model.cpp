#include <kindling/compress/rate_model.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace kindling {
namespace {

/// By the mean magnitude: about the deviations at which the cheapest code changes.
int class_of(double mean) {
  constexpr std::array<double, 5> kEnds = {0.15, 0.35, 0.7, 1.2, 2.2};
  return static_cast<int>(std::upper_bound(kEnds.begin(), kEnds.end(), mean) - kEnds.begin());
}

std::vector<int> classes_of(const std::vector<double>& sums, double count) {
  std::vector<int> classes;
  for (const double sum : sums) classes.push_back(class_of(sum / count));
  return classes;
}

/// One decision "more than m?" after the other, as the coder takes them. Where few numbers were
/// seen, the decision costs about what the one before it did.
template <class Costs>
void costs_of(const Costs& counts, Costs& bits) {
  constexpr double kPrior = 0.4;  // of a number not seen yet: that of Krichevsky and Trofimov is 0.5
  double left = 0, so_far = 0, before = 0.3;
  for (const double count : counts) left += count;
  for (size_t m = 0; m < counts.size(); ++m) {
    const double weight = left < 8 ? 4.0 : 1.0;
    const double more = (left - counts[m] + (left < 8 ? before * weight : kPrior)) / (left + weight);
    bits[m] = so_far - std::log2(1 - more) + (m > 0 ? 1 : 0);
    so_far -= std::log2(more);
    left -= counts[m];
    before = more;
  }
}

}  // namespace

RateModel::RateModel(const std::vector<int32_t>& numbers, int64_t rows, int64_t columns) {
  std::vector<double> row_sums(static_cast<size_t>(rows)), column_sums(static_cast<size_t>(columns));
  for (size_t r = 0, i = 0; r < row_sums.size(); ++r)
    for (size_t c = 0; c < column_sums.size(); ++c, ++i) {
      const double magnitude = std::abs(numbers[i]);
      row_sums[r] += magnitude;
      column_sums[c] += magnitude;
    }
  row_class_ = classes_of(row_sums, static_cast<double>(columns));
  column_class_ = classes_of(column_sums, static_cast<double>(rows));
  std::array<Costs, kClasses * kClasses> counts{};
  for (size_t r = 0, i = 0; r < row_sums.size(); ++r)
    for (size_t c = 0; c < column_sums.size(); ++c, ++i)
      ++counts[static_cast<size_t>(row_class_[r] * kClasses + column_class_[c])]
              [static_cast<size_t>(std::min(std::abs(numbers[i]), kLargest))];
  for (size_t k = 0; k < counts.size(); ++k) costs_of(counts[k], bits_[k]);
}

double RateModel::cost(const double* bits, int64_t magnitude) {
  if (magnitude < kLargest) return bits[magnitude];
  const auto above = static_cast<uint64_t>(magnitude - kLargest + 1);
  return bits[kLargest] + 2.0 * std::bit_width(above) - 1;
}

}  // namespace kindling
